import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Served {
  readonly bytes: Buffer;
  /** Last-Modified, not sent when absent. */
  readonly modified: string | undefined;
}

/** Serves files of the test over HTTP, on 127.0.0.1. `await using` closes it. */
export class FileServer implements AsyncDisposable {
  readonly url: string;
  readonly #server: Server;
  readonly #files: Map<string, Served>;

  private constructor(server: Server, files: Map<string, Served>) {
    this.#server = server;
    this.#files = files;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(): Promise<FileServer> {
    const files = new Map<string, Served>();
    const server = createServer((request, response) => {
      const file = files.get(
        decodeURIComponent(new URL(request.url ?? '', 'http://files').pathname.replace(/^\/|\/$/g, '')),
      );
      if (!file) {
        response.writeHead(404).end('no such file');
        return;
      }
      const modified =
        file.modified === undefined ? {} : { 'last-modified': new Date(file.modified).toUTCString() };
      response.writeHead(200, { ...modified, 'content-length': file.bytes.length });
      response.end(request.method === 'HEAD' ? undefined : file.bytes);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new FileServer(server, files);
  }

  serve(name: string, bytes: Buffer, modified?: string): void {
    if (this.#files.get(name)?.bytes.equals(bytes) === false) throw new Error(`two files are named ${name}`);
    this.#files.set(name, { bytes, modified });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
