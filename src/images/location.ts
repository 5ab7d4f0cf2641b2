import { type Digest, parseDigest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import {
  isImageId,
  isTag,
  parseReference,
  type Reference,
  repositoryName,
  tagOrDigest,
} from './reference.ts';

/** Which of several images in a layout or archive: by name, by position (`@0`), or by digest (`@sha256:…`, of a layout). */
export type Selector =
  | { readonly by: 'name'; readonly name: string }
  | { readonly by: 'position'; readonly position: number }
  | { readonly by: 'digest'; readonly digest: Digest };

/** Where an image is, or goes to: `transport:details` of the containers tools. */
export type Location =
  | { readonly transport: 'docker'; readonly reference: Reference }
  | { readonly transport: 'docker-daemon'; readonly name: string }
  | { readonly transport: 'containers-storage'; readonly name: string }
  | { readonly transport: 'dir'; readonly path: string }
  | {
      readonly transport: 'oci' | 'oci-archive' | 'docker-archive';
      readonly path: string;
      readonly select?: Selector;
    };

export type Transport = Location['transport'];

const PREFIX = /^(docker|docker-archive|docker-daemon|dir|oci|oci-archive|containers-storage):(.*)$/s;
const UNKNOWN_PREFIX = /^(sif|ostree|tarball|atomic|docker-tar|containers-registry|https?):/;

function usage(text: string, why: string): BldError {
  return new BldError('E_USAGE', `invalid image location ${JSON.stringify(text)}: ${why}`);
}

/**
 * Reads `transport:details`; null when no transport is named, so that the text is the name of an image. E_USAGE for
 * details that the transport does not take, and for transports that bld does not have.
 */
export function parseLocation(text: string): Location | null {
  const found = PREFIX.exec(text);
  const [, transport, rest = ''] = found ?? [];
  switch (transport) {
    case undefined:
      if (UNKNOWN_PREFIX.test(text)) throw usage(text, 'no such transport');
      return null;
    case 'docker':
      // without the slashes it is the image called docker: `docker:27-dind`
      if (!rest.startsWith('//')) return null;
      return { transport, reference: parseReference(rest.slice(2)) };
    case 'docker-daemon':
      return { transport, name: daemonName(rest, text) };
    case 'containers-storage':
      if (rest.startsWith('[')) throw usage(text, 'bld has one store: choose it with --root');
      if (rest === '') throw usage(text, 'the name is empty');
      return { transport, name: rest };
    case 'dir':
      if (rest === '') throw usage(text, 'the path is empty');
      return { transport, path: rest };
    case 'oci':
    case 'oci-archive':
    case 'docker-archive':
      return { transport, ...pathAndSelector(rest, text) };
    default:
      throw new Error(`internal: transport ${transport}`);
  }
}

/** As `parseLocation`, where a text without a transport is a name in a registry. */
export function parseDestination(text: string): Location {
  return parseLocation(text) ?? { transport: 'docker', reference: parseReference(text) };
}

function daemonName(rest: string, text: string): string {
  if (rest === '') throw usage(text, 'the name is empty');
  if (isImageId(rest) && (rest.startsWith('sha256:') || rest.length === 64)) return rest;
  const reference = parseReference(rest);
  if (!reference.tag && !reference.digest) throw usage(text, 'a tag is needed: docker-daemon:NAME:TAG');
  return `${repositoryName(reference)}${reference.digest ? '@' : ':'}${tagOrDigest(reference)}`;
}

/** `path[:name]`, `path[:@position]` or `path[:@digest]`; the first colon divides. */
function pathAndSelector(rest: string, text: string): { path: string; select?: Selector } {
  const colon = rest.indexOf(':');
  const path = colon < 0 ? rest : rest.slice(0, colon);
  const name = colon < 0 ? '' : rest.slice(colon + 1);
  if (path === '') throw usage(text, 'the path is empty');
  if (name === '') return { path };
  const position = /^@([0-9]{1,6})$/.exec(name)?.[1];
  if (position !== undefined) return { path, select: { by: 'position', position: Number(position) } };
  if (name.startsWith('@')) return { path, select: { by: 'digest', digest: parseDigest(name.slice(1)) } };
  if (/[\u0000-\u0020\u007f]/.test(name)) throw usage(text, `${JSON.stringify(name)} is not a name`);
  if (!isTag(name)) parseReference(name);
  return { path, select: { by: 'name', name } };
}

/** The location as text that `parseLocation` reads. */
export function formatLocation(location: Location): string {
  switch (location.transport) {
    case 'docker': {
      const { reference } = location;
      const mark = reference.digest === undefined ? ':' : '@';
      return `docker://${repositoryName(reference)}${mark}${tagOrDigest(reference)}`;
    }
    case 'docker-daemon':
    case 'containers-storage':
      return `${location.transport}:${location.name}`;
    case 'dir':
      return `dir:${location.path}`;
    default: {
      const { transport, path, select } = location;
      return `${transport}:${path}${select === undefined ? '' : `:${formatSelector(select)}`}`;
    }
  }
}

/** The selector as text after the path's colon. */
export function formatSelector(select: Selector): string {
  if (select.by === 'name') return select.name;
  return `@${select.by === 'position' ? select.position : select.digest}`;
}
