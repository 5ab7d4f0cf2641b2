import { localCandidates } from '../images/reference.ts';
import type { ImageRecord } from '../store/types.ts';

/** A canonical name (`host/repository:tag`, `…@digest`) in Buildah's columns; `<none>` for what it lacks. */
export function splitName(name: string | undefined): { readonly Name: string; readonly Tag: string } {
  if (name === undefined) return { Name: '<none>', Tag: '<none>' };
  const at = name.indexOf('@');
  if (at >= 0) return { Name: name.slice(0, at), Tag: '<none>' };
  const colon = name.lastIndexOf(':');
  if (colon <= name.lastIndexOf('/')) return { Name: name, Tag: '<none>' };
  return { Name: name.slice(0, colon), Tag: name.slice(colon + 1) };
}

/** The image's name that the text means; undefined when it has none such, or the text is an id. */
export function nameOf(image: Pick<ImageRecord, 'names'>, text: string): string | undefined {
  try {
    return localCandidates(text).find((candidate) => image.names.includes(candidate));
  } catch {
    return undefined; // an id is no name
  }
}
