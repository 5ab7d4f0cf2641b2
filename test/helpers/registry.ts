import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { type Auth, type AuthState, makeAuth } from './registry-auth.ts';
import { type Fault, type Rule, RuleBook, writeReply } from './registry-faults.ts';
import { problem, type Reply, reply, sha256 } from './registry-reply.ts';

export type { Auth, Fault, Rule };
export { sha256 };

export interface RegistryRequest {
  readonly method: string;
  /** Path with query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Bytes of the body as received. */
  received: number;
  status: number;
}

export interface TestRegistryOptions {
  readonly tls?:
    | { readonly key: string | Buffer; readonly cert: string | Buffer; readonly ca?: Buffer }
    | undefined;
  readonly auth?: Auth | undefined;
  /** Sent as OCI-Chunk-Min-Length, in bytes. */
  readonly minChunk?: number | undefined;
  /** Tags in one page of a list when the client does not say; all when absent. */
  readonly pageSize?: number | undefined;
  readonly rules?: readonly Rule[] | undefined;
  /** The port; a free one when absent. */
  readonly port?: number | undefined;
}

interface Repo {
  readonly blobs: Set<string>;
  /** By tag and by digest. */
  readonly manifests: Map<string, { readonly mediaType: string; readonly bytes: Buffer }>;
}

interface Session {
  readonly repo: string;
  readonly chunks: Buffer[];
  size: number;
}

function append(session: Session, bytes: Buffer): void {
  session.chunks.push(bytes);
  session.size += bytes.length;
}

const ROUTE = /^\/v2\/(.+?)\/(manifests|blobs|tags)\/(.*)$/;

/**
 * A registry in this process, on 127.0.0.1: pull, push, chunks, mounts, tags, deletes, ranges, logins, and faults by
 * script. Everything is in memory and can be looked at. `await using` closes it.
 */
export class TestRegistry implements AsyncDisposable {
  readonly options: TestRegistryOptions;
  readonly blobs = new Map<string, Buffer>();
  readonly repos = new Map<string, Repo>();
  readonly sessions = new Map<string, Session>();
  /** In the order of their arrival. */
  readonly requests: RegistryRequest[] = [];
  readonly rules: RuleBook;
  readonly auth: AuthState | undefined;
  bytesUp = 0;
  bytesDown = 0;
  readonly #sockets = new Set<Socket>();
  readonly #server;

  private constructor(options: TestRegistryOptions) {
    this.options = options;
    this.rules = new RuleBook(options.rules ?? []);
    this.auth = options.auth && makeAuth(options.auth, () => this.origin);
    const listener: RequestListener = (request, response) => {
      this.#handle(request, response).catch(() => response.destroy());
    };
    this.#server = options.tls ? createTlsServer({ ...options.tls }, listener) : createServer(listener);
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket)).on('error', () => {});
    });
  }

  static async start(options: TestRegistryOptions = {}): Promise<TestRegistry> {
    const registry = new TestRegistry(options);
    await new Promise<void>((resolve) => {
      registry.#server.listen(options.port ?? 0, '127.0.0.1', resolve);
    });
    return registry;
  }

  /** `127.0.0.1:port`, as it stands in image names. */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get origin(): string {
    return `${this.options.tls ? 'https' : 'http'}://${this.host}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  repo(name: string): Repo {
    const repo = this.repos.get(name) ?? { blobs: new Set(), manifests: new Map() };
    this.repos.set(name, repo);
    return repo;
  }

  /** Puts a blob in a repository; its descriptor. */
  addBlob(name: string, bytes: Buffer | string, mediaType = 'application/octet-stream') {
    const data = Buffer.from(bytes);
    const digest = sha256(data);
    this.blobs.set(digest, data);
    this.repo(name).blobs.add(digest);
    return { mediaType, digest, size: data.length };
  }

  /** Puts a manifest in a repository under its digest and the tag; its descriptor. */
  addManifest(name: string, tag: string, manifest: { mediaType: string; bytes: Buffer | string }) {
    const bytes = Buffer.from(manifest.bytes);
    const digest = sha256(bytes);
    const { mediaType } = manifest;
    for (const key of [tag, digest]) this.repo(name).manifests.set(key, { mediaType, bytes });
    return { mediaType, digest, size: bytes.length };
  }

  /** The requests as `METHOD path`, pings and tokens left out. */
  trace(): string[] {
    return this.requests
      .filter(({ url }) => url !== '/v2/' && !url.startsWith('/token'))
      .map(({ method, url }) => `${method} ${url}`);
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = request;
    const headers = request.headers as Record<string, string | undefined>;
    const record: RegistryRequest = { method, url, headers, received: 0, status: 0 };
    this.requests.push(record);
    const fault = this.rules.match(method, url);
    const body = await this.#receive(request, record, fault);
    if (body === undefined) return;
    const given = fault?.answer;
    const answer = given ? reply(given.status, given.headers, given.body) : this.#answer(record, body, fault);
    record.status = answer.status;
    this.bytesDown += await writeReply(response, answer, { fault, isHead: method === 'HEAD' });
  }

  /** The whole body, or undefined when a fault cut it off. */
  async #receive(
    request: IncomingMessage,
    record: RegistryRequest,
    fault?: Fault,
  ): Promise<Buffer | undefined> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) {
      record.received += chunk.length;
      this.bytesUp += chunk.length;
      chunks.push(chunk);
      if (fault?.resetUploadAfter !== undefined && record.received >= fault.resetUploadAfter) {
        // a part that came stays in the session, as in real registries
        if (fault.keepPart) this.#patch(record, Buffer.concat(chunks), new URL(record.url, this.origin));
        request.socket.resetAndDestroy();
        return undefined;
      }
    }
    return Buffer.concat(chunks);
  }

  #answer(record: RegistryRequest, body: Buffer, fault: Fault | undefined): Reply {
    const url = new URL(record.url, this.origin);
    const token = this.auth?.token(record, url, body);
    if (token) return token;
    const [, name = '', kind = '', rest = ''] = ROUTE.exec(decodeURIComponent(url.pathname)) ?? [];
    const refused = this.auth?.check(record, name, url);
    if (refused) return refused;
    if (url.pathname === '/v2/')
      return reply(200, { 'docker-distribution-api-version': 'registry/2.0' }, '{}');
    if (kind === 'manifests') return this.#manifests(record, body, { name, reference: rest });
    if (kind === 'tags' && rest === 'list') return this.#tags(name, url);
    if (kind === 'blobs' && rest.startsWith('uploads/'))
      return this.#uploads(record, body, { name, url, id: rest.slice(8) });
    if (kind === 'blobs') return this.#blobs(record, name, { digest: rest, fault });
    return problem(404, 'UNSUPPORTED', 'no such route');
  }

  #manifests(
    record: RegistryRequest,
    body: Buffer,
    { name, reference }: { name: string; reference: string },
  ): Reply {
    const repo = this.repo(name);
    if (record.method === 'PUT') {
      const digest = sha256(body);
      const mediaType = record.headers['content-type'] ?? '';
      if (reference.includes(':') && reference !== digest)
        return problem(400, 'DIGEST_INVALID', 'digest differs');
      for (const key of [reference, digest]) repo.manifests.set(key, { mediaType, bytes: body });
      return reply(201, { location: `/v2/${name}/manifests/${digest}`, 'docker-content-digest': digest });
    }
    const found = repo.manifests.get(reference);
    if (!found) return problem(404, 'MANIFEST_UNKNOWN', 'manifest unknown');
    if (record.method === 'DELETE') {
      repo.manifests.delete(reference);
      return reply(202);
    }
    const headers = { 'content-type': found.mediaType, 'docker-content-digest': sha256(found.bytes) };
    return reply(200, headers, found.bytes);
  }

  #tags(name: string, url: URL): Reply {
    const repo = this.repos.get(name);
    if (!repo) return problem(404, 'NAME_UNKNOWN', 'repository name not known to registry');
    const all = [...repo.manifests.keys()].filter((key) => !key.includes(':')).sort();
    const last = url.searchParams.get('last') ?? '';
    const count = Math.min(Number(url.searchParams.get('n') ?? 1000), this.options.pageSize ?? 1000);
    const rest = all.filter((tag) => tag > last);
    const tags = rest.slice(0, count);
    const next = `</v2/${name}/tags/list?n=${count}&last=${tags.at(-1)}>; rel="next"`;
    return reply(200, rest.length > count ? { link: next } : {}, JSON.stringify({ name, tags }));
  }

  #blobs(
    record: RegistryRequest,
    name: string,
    { digest, fault }: { digest: string; fault: Fault | undefined },
  ): Reply {
    const bytes = this.repo(name).blobs.has(digest) ? this.blobs.get(digest) : undefined;
    if (!bytes) return problem(404, 'BLOB_UNKNOWN', 'blob unknown to registry');
    const headers = { 'content-type': 'application/octet-stream', 'docker-content-digest': digest };
    const range = /^bytes=(\d+)-(\d*)$/.exec(record.headers.range ?? '');
    if (!range || fault?.ignoreRange) return reply(200, { ...headers, 'accept-ranges': 'bytes' }, bytes);
    const start = Number(range[1]);
    if (start >= bytes.length) return reply(416, { 'content-range': `bytes */${bytes.length}` });
    const end = range[2] ? Math.min(Number(range[2]) + 1, bytes.length) : bytes.length;
    const part = { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` };
    return reply(206, { ...headers, ...part }, bytes.subarray(start, end));
  }

  #uploads(
    record: RegistryRequest,
    body: Buffer,
    { name, url, id }: { name: string; url: URL; id: string },
  ): Reply {
    if (record.method === 'POST') {
      const mount = url.searchParams.get('mount');
      const from = url.searchParams.get('from');
      if (mount && from && this.repos.get(from)?.blobs.has(mount)) {
        this.repo(name).blobs.add(mount);
        return reply(201, { location: `/v2/${name}/blobs/${mount}`, 'docker-content-digest': mount });
      }
      const session = randomUUID();
      this.sessions.set(session, { repo: name, chunks: [], size: 0 });
      return this.#progress(202, name, session);
    }
    const session = this.sessions.get(id);
    if (!session || session.repo !== name) return problem(404, 'BLOB_UPLOAD_UNKNOWN', 'blob upload unknown');
    if (record.method === 'DELETE') {
      this.sessions.delete(id);
      return reply(204);
    }
    if (record.method === 'GET') return this.#progress(204, name, id);
    const start = /^(\d+)-/.exec(record.headers['content-range'] ?? '')?.[1];
    if (start !== undefined && Number(start) !== session.size) return this.#progress(416, name, id);
    append(session, body);
    if (record.method === 'PATCH') return this.#progress(202, name, id);
    const bytes = Buffer.concat(session.chunks);
    this.sessions.delete(id);
    const digest = url.searchParams.get('digest') ?? '';
    if (sha256(bytes) !== digest)
      return problem(400, 'DIGEST_INVALID', 'provided digest did not match uploaded content');
    this.addBlob(name, bytes);
    return reply(201, { location: `/v2/${name}/blobs/${digest}`, 'docker-content-digest': digest });
  }

  #patch(record: RegistryRequest, bytes: Buffer, url: URL): void {
    const session = this.sessions.get(url.pathname.split('/').at(-1) ?? '');
    if (session && record.method !== 'GET') append(session, bytes);
  }

  #progress(status: number, name: string, id: string): Reply {
    const size = this.sessions.get(id)?.size ?? 0;
    return reply(status, {
      location: `/v2/${name}/blobs/uploads/${id}?_state=${size}`,
      range: `0-${Math.max(0, size - 1)}`,
      'docker-upload-uuid': id,
      ...(this.options.minChunk !== undefined && { 'oci-chunk-min-length': String(this.options.minChunk) }),
    });
  }
}
