import type { Platform } from '../../base/descriptor.ts';
import { formatPlatform } from '../../images/platform.ts';
import { familiarName, type Reference } from '../../images/reference.ts';

/** The package URL of an image of a registry: `pkg:docker/alpine@3.20?platform=linux%2Famd64`. */
export function imagePurl(reference: Reference, platform: Platform): string {
  const { digest, tag = digest === undefined ? 'latest' : undefined, ...named } = reference;
  const version = tag === undefined ? '' : `@${tag}`;
  const pinned = digest === undefined ? '' : `digest=${digest}&`;
  return `pkg:docker/${familiarName(named)}${version}?${pinned}platform=${encoded(platform)}`;
}

/** The same for an image that no registry has: of a layout, an archive, or known by its id alone. */
export function layoutPurl(name: string, platform: Platform): string {
  return `pkg:oci/${encodeURIComponent(name)}?platform=${encoded(platform)}`;
}

function encoded(platform: Platform): string {
  return encodeURIComponent(formatPlatform(platform));
}
