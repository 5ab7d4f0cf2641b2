import type { Readable } from 'node:stream';
import type { Descriptor } from '../base/descriptor.ts';
import { algorithmOf, type Digest, Hasher, isDigest, parseDigest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { readAll } from '../base/streams.ts';
import { Channel } from './channel.ts';
import { checkRepository, checkTag, type RegistryOptions, suffixOf } from './config.ts';
import { openDownload } from './download.ts';
import { RegistryError } from './errors.ts';
import type { Answer } from './http.ts';
import { listTags } from './tags.ts';
import { type Session, sessionOf, type Upload, type UploadLimits, uploadBlob } from './upload.ts';
import type { BlobOpener } from './upload-body.ts';

/** A manifest as the registry gave it; its digest is that of the bytes. */
export interface RawManifest {
  /** Content-Type without parameters, in lower case; empty when the registry sent none. */
  readonly mediaType: string;
  readonly digest: Digest;
  readonly bytes: Buffer;
}

/** What HEAD tells of a manifest: hints, to be proved by the bytes. */
export interface ManifestHead {
  readonly mediaType: string;
  readonly digest: Digest | undefined;
  readonly size: number | undefined;
}

/** One repository of a registry. Nothing is sent, and no login looked for, before the first call that needs it. */
export interface Repository {
  /** Docker Hub is `docker.io`. */
  readonly host: string;
  readonly name: string;
  /** By tag or digest, at most 4 MiB. Bytes that do not match a digest asked for: E_INTEGRITY. */
  getManifest(reference: string, accept: readonly string[]): Promise<RawManifest>;
  /** Null when absent, or when the registry does not say (some answer 403). */
  headManifest(reference: string, accept: readonly string[]): Promise<ManifestHead | null>;
  /** The digest of the bytes, which the registry confirmed if it named one. */
  putManifest(reference: string, mediaType: string, bytes: Buffer): Promise<Digest>;
  deleteManifest(reference: string): Promise<void>;
  /** The blob's size in bytes (-1 when not told), or null when absent. */
  hasBlob(digest: Digest): Promise<number | null>;
  /**
   * The raw bytes from `offset` on, not verified, never more than the descriptor's size. Takes a broken connection up
   * again by itself. At most 6 blobs of a host are open at once, further calls wait: read or destroy what was opened.
   */
  openBlob(descriptor: Descriptor, offset?: number): Promise<Readable>;
  /** True when the registry now has the blob from another repository of its own; false asks for an upload. */
  mountBlob(digest: Digest, fromRepository: string): Promise<boolean>;
  /** Idempotent: success means that the blob is there. `onProgress` is told the position reached, which may fall back. */
  uploadBlob(
    descriptor: Descriptor,
    open: BlobOpener,
    onProgress?: (position: number) => void,
  ): Promise<void>;
  listTags(): AsyncIterable<string>;
}

const MANIFEST_LIMIT = 4 * 1024 * 1024;

const limitsOfHosts = new Map<string, UploadLimits>();

function limitsOf(host: string): UploadLimits {
  const limits = limitsOfHosts.get(host) ?? { chunkSize: undefined };
  limitsOfHosts.set(host, limits);
  return limits;
}

function checkReference(reference: string): string {
  return reference.includes(':') ? parseDigest(reference) : checkTag(reference);
}

function mediaTypeOf(answer: Answer): string {
  return (answer.header('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

function digestHeader(answer: Answer): Digest | undefined {
  const text = answer.header('docker-content-digest');
  return isDigest(text) ? text : undefined;
}

function sizeHeader(answer: Answer): number | undefined {
  const text = answer.header('content-length') ?? '';
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function digestLike(bytes: Buffer, model: Digest | undefined): Digest {
  const hasher = new Hasher(model ? algorithmOf(model) : 'sha256');
  hasher.update(bytes);
  return hasher.digest();
}

class RemoteRepository implements Repository {
  readonly host: string;
  readonly name: string;
  readonly #channel: Channel;
  readonly #pull: readonly string[];
  readonly #push: readonly string[];
  /** Sessions that a refused mount opened, for the upload that follows. */
  readonly #sessions = new Map<Digest, Session>();

  constructor(host: string, name: string, options: RegistryOptions) {
    this.name = checkRepository(name);
    this.#channel = new Channel(host, name, options);
    this.host = this.#channel.host;
    this.#pull = [`repository:${name}:pull`];
    this.#push = [`repository:${name}:pull,push`];
  }

  #text(thing: string, reference = ''): string {
    return `${thing} ${this.host}/${this.name}${reference && suffixOf(reference)}`;
  }

  async getManifest(reference: string, accept: readonly string[]): Promise<RawManifest> {
    const what = this.#text('manifest', checkReference(reference));
    const at = `/v2/${this.name}/manifests/${reference}`;
    const headers = { accept: accept.join(', ') };
    const answer = await this.#channel.ask({ method: 'GET', at, scopes: this.#pull, what, headers });
    if (answer.status !== 200) throw await this.#channel.refuse(answer, what);
    const bytes = await readAll(answer.body, MANIFEST_LIMIT, what);
    const mediaType = mediaTypeOf(answer);
    // a signed schema 1 manifest is named by the digest of its payload, not of its bytes
    const hinted = mediaType.includes('prettyjws') ? undefined : digestHeader(answer);
    const expected = isDigest(reference) ? reference : hinted;
    const digest = digestLike(bytes, expected);
    if (expected !== undefined && digest !== expected) {
      throw new BldError('E_INTEGRITY', `${what}: digest is ${digest}, not the expected ${expected}`, {
        hint: 'the registry, or something between, changed the bytes',
      });
    }
    return { mediaType, digest, bytes };
  }

  async headManifest(reference: string, accept: readonly string[]): Promise<ManifestHead | null> {
    const what = this.#text('manifest', checkReference(reference));
    const at = `/v2/${this.name}/manifests/${reference}`;
    const headers = { accept: accept.join(', ') };
    const answer = await this.#channel.ask({ method: 'HEAD', at, scopes: this.#pull, what, headers });
    if (answer.status === 404 || answer.status === 403 || answer.status === 405) {
      await answer.discard();
      return null;
    }
    if (answer.status !== 200) throw await this.#channel.refuse(answer, what);
    await answer.discard();
    return { mediaType: mediaTypeOf(answer), digest: digestHeader(answer), size: sizeHeader(answer) };
  }

  async putManifest(reference: string, mediaType: string, bytes: Buffer): Promise<Digest> {
    const what = this.#text('manifest', checkReference(reference));
    const answer = await this.#channel.ask({
      method: 'PUT',
      at: `/v2/${this.name}/manifests/${reference}`,
      scopes: this.#push,
      what,
      headers: { 'content-type': mediaType },
      body: { length: bytes.length, open: () => bytes },
    });
    if (answer.status !== 201 && answer.status !== 200 && answer.status !== 202) {
      throw await this.#channel.refuse(answer, what);
    }
    await answer.discard();
    const told = digestHeader(answer);
    const digest = digestLike(bytes, told ?? (isDigest(reference) ? reference : undefined));
    if (told !== undefined && told !== digest) {
      throw new BldError('E_INTEGRITY', `${what}: the registry keeps it as ${told}, not as ${digest}`);
    }
    return digest;
  }

  async deleteManifest(reference: string): Promise<void> {
    const what = this.#text('manifest', checkReference(reference));
    const at = `/v2/${this.name}/manifests/${reference}`;
    const scopes = [`repository:${this.name}:pull,delete`];
    const answer = await this.#channel.ask({ method: 'DELETE', at, scopes, what });
    if (answer.status === 405 || answer.status === 400) {
      const cause = await this.#channel.refuse(answer, what);
      throw new BldError('E_UNSUPPORTED', `${cause.message}: the registry does not allow this deletion`, {
        cause,
      });
    }
    if (answer.status !== 202 && answer.status !== 200 && answer.status !== 204) {
      throw await this.#channel.refuse(answer, what);
    }
    await answer.discard();
  }

  async hasBlob(digest: Digest): Promise<number | null> {
    const what = this.#text('blob', parseDigest(digest));
    const at = `/v2/${this.name}/blobs/${digest}`;
    const answer = await this.#channel.ask({ method: 'HEAD', at, scopes: this.#pull, what });
    if (answer.status !== 200 && answer.status !== 404 && answer.status !== 403 && answer.status !== 405) {
      throw await this.#channel.refuse(answer, what);
    }
    await answer.discard();
    return answer.status === 200 ? (sizeHeader(answer) ?? -1) : null;
  }

  async openBlob(descriptor: Descriptor, offset = 0): Promise<Readable> {
    const what = this.#text('blob', parseDigest(descriptor.digest));
    const path = `/v2/${this.name}/blobs/${descriptor.digest}`;
    return openDownload({ channel: this.#channel, path, scopes: this.#pull, what, descriptor }, offset);
  }

  #upload(descriptor: Descriptor, open: BlobOpener, onProgress?: (position: number) => void): Upload {
    const what = this.#text('blob', parseDigest(descriptor.digest));
    return {
      channel: this.#channel,
      limits: limitsOf(this.host),
      path: `/v2/${this.name}/blobs/`,
      scopes: this.#push,
      descriptor,
      source: { open, size: descriptor.size, what, onProgress },
    };
  }

  async mountBlob(digest: Digest, fromRepository: string): Promise<boolean> {
    const what = this.#text('blob', parseDigest(digest));
    const query = new URLSearchParams({ mount: digest, from: checkRepository(fromRepository) });
    const at = `/v2/${this.name}/blobs/uploads/?${query}`;
    const scopes = [...this.#push, `repository:${fromRepository}:pull`];
    try {
      const answer = await this.#channel.ask({ method: 'POST', at, scopes, what });
      if (answer.status === 202) {
        const descriptor = { mediaType: '', digest, size: 0 };
        const nothing = () => {
          throw new Error('internal: a mount has no bytes');
        };
        this.#sessions.set(digest, await sessionOf(answer, this.#upload(descriptor, nothing)));
        return false;
      }
      await answer.discard();
      return answer.status === 201;
    } catch (error) {
      // no right on the source: registries say so in every way that there is
      const client = error instanceof RegistryError && error.status >= 400 && error.status < 500;
      if (client || (error instanceof BldError && error.code === 'E_AUTH')) return false;
      throw error;
    }
  }

  async uploadBlob(
    descriptor: Descriptor,
    open: BlobOpener,
    onProgress?: (position: number) => void,
  ): Promise<void> {
    const session = this.#sessions.get(descriptor.digest);
    this.#sessions.delete(descriptor.digest);
    await uploadBlob(this.#upload(descriptor, open, onProgress), session);
  }

  listTags(): AsyncIterable<string> {
    const path = `/v2/${this.name}/tags/list`;
    return listTags({ channel: this.#channel, path, scopes: this.#pull, what: this.#text('tags') });
  }
}

/** A repository of a registry, by its host (`docker.io`, `localhost:5000`). E_USAGE for malformed names; no I/O. */
export function connect(host: string, repository: string, options: RegistryOptions = {}): Repository {
  return new RemoteRepository(host, repository, options);
}

/** Proves the login of `options.credentials` (or the one on file) against the registry; E_AUTH when refused. */
export async function verifyLogin(host: string, options: RegistryOptions): Promise<void> {
  const channel = new Channel(host, '', options);
  const what = `login to ${channel.host}`;
  const answer = await channel.ask({ method: 'GET', at: '/v2/', scopes: [], what });
  if (answer.status !== 200) throw await channel.refuse(answer, what);
  await answer.discard();
}
