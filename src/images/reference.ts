import { type Digest, isDigest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';

/** A name in a registry, in full. Only made by `parseReference`. */
export interface Reference {
  /** Host and port: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly registry: string;
  /** `library/alpine`. */
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

export const DEFAULT_REGISTRY = 'docker.io';

const HOST =
  /^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[a-fA-F0-9:]+\])(?::[0-9]{1,5})?$/;
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const MAX_REPOSITORY = 255;

function invalid(text: string, why: string): never {
  throw new BldError('E_USAGE', `invalid reference ${JSON.stringify(text.slice(0, 300))}: ${why}`);
}

/** Docker's rule: the first part is a host when it has a dot, a port or capitals, or is `localhost`. */
function splitHost(name: string): readonly [host: string | undefined, rest: string] {
  const slash = name.indexOf('/');
  if (slash < 0) return [undefined, name];
  const first = name.slice(0, slash);
  const isHost = /[.:[]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  return isHost ? [first, name.slice(slash + 1)] : [undefined, name];
}

interface Parts {
  readonly host: string | undefined;
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

function split(text: string): Parts {
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) invalid(text, `${JSON.stringify(digest)} is not a digest`);
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const tag = hasTag ? named.slice(colon + 1) : undefined;
  if (tag !== undefined && !TAG.test(tag)) invalid(text, `${JSON.stringify(tag)} is not a tag`);
  const name = hasTag ? named.slice(0, colon) : named;
  const [host, path] = splitHost(name);
  if (host !== undefined && !HOST.test(host)) invalid(text, `${JSON.stringify(host)} is not a registry host`);
  if (path === '') invalid(text, 'the name is empty');
  for (const component of path.split('/')) {
    if (COMPONENT.test(component)) continue;
    if (COMPONENT.test(component.toLowerCase())) invalid(text, 'repository names must be lower case');
    invalid(text, `${JSON.stringify(component)} is not allowed in a repository name`);
  }
  if (host === undefined && /^[0-9a-f]{64}$/.test(path)) invalid(text, 'an image id is not a name');
  return { host, path, ...(tag !== undefined && { tag }), ...(digest !== undefined && { digest }) };
}

function inFull(parts: Parts, defaultRegistry: string, text: string): Reference {
  const { host = defaultRegistry, path, ...rest } = parts;
  const registry = host === 'index.docker.io' || host === 'registry-1.docker.io' ? DEFAULT_REGISTRY : host;
  const repository = registry === DEFAULT_REGISTRY && !path.includes('/') ? `library/${path}` : path;
  if (registry.length + 1 + repository.length > MAX_REPOSITORY) {
    invalid(text, `the name is longer than ${MAX_REPOSITORY} characters`);
  }
  return { registry, repository, ...rest };
}

/**
 * `[registry/]repository[:tag][@digest]` in full, as Docker reads it: `alpine` is `docker.io/library/alpine`.
 * No tag is invented. E_USAGE tells what is wrong.
 */
export function parseReference(text: string): Reference {
  return inFull(split(text), DEFAULT_REGISTRY, text);
}

/** The name given to a new image: without a registry it is `localhost/NAME`; without tag and digest it is `latest`. */
export function newImageName(text: string): string {
  return canonicalName(inFull(split(text), 'localhost', text));
}

/** True when the text names its registry. */
export function isQualified(text: string): boolean {
  return split(text).host !== undefined;
}

/**
 * The names under which a local image may be known by this text, best first: an unqualified one is looked for as
 * `localhost/NAME`, then in Docker's registry.
 */
export function localCandidates(text: string): readonly string[] {
  const parts = split(text);
  const hosts = parts.host === undefined ? ['localhost', DEFAULT_REGISTRY] : [parts.host];
  return hosts.map((host) => canonicalName(inFull(parts, host, text)));
}

/** `registry/repository`. */
export function repositoryName(reference: Reference): string {
  return `${reference.registry}/${reference.repository}`;
}

/** What is asked of the registry: the digest when there is one, else the tag, else `latest`. */
export function tagOrDigest(reference: Reference): string {
  return reference.digest ?? reference.tag ?? 'latest';
}

/** The name in the store: `registry/repository:tag`, or `registry/repository@digest` (a digest makes the tag idle). */
export function canonicalName(reference: Reference): string {
  const { digest, tag = 'latest' } = reference;
  return `${repositoryName(reference)}${digest === undefined ? `:${tag}` : `@${digest}`}`;
}

/** The shortest text that `parseReference` reads back as the same: `alpine:3.20`. */
export function familiarName(reference: Reference): string {
  const { registry, repository, tag, digest } = reference;
  const inFull = registry !== DEFAULT_REGISTRY || splitHost(repository)[0] !== undefined;
  const short = inFull ? repositoryName(reference) : repository.replace(/^library\/(?=[^/]*$)/, '');
  return `${short}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** The part that container names are made of: `alpine` of `docker.io/library/alpine:3`. */
export function baseName(reference: Reference): string {
  return reference.repository.slice(reference.repository.lastIndexOf('/') + 1);
}

/** True for what can be an image's id: `sha256:` and 64 digits, or 3 to 64 hexadecimal digits. */
export function isImageId(text: string): boolean {
  return /^(?:sha256:[0-9a-f]{64}|[0-9a-f]{3,64})$/.test(text);
}

export function isTag(text: string): boolean {
  return TAG.test(text);
}
