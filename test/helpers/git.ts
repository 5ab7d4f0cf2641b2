import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const DATE = '2020-02-02T02:02:02Z';
/** `DATE`, seconds since 1970. */
export const COMMIT_TIME = 1580608922;

/** Repositories in a temporary directory, served by http on 127.0.0.1 as git's own server program does. */
export class GitServer implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'bld-test-git-'));
  /** `Authorization` headers of the requests, '' for none. */
  readonly logins: string[] = [];
  /** What each request has to have as its Authorization. */
  password: string | undefined;
  readonly #server = createServer((request, response) => this.#answer(request, response));

  static async start(): Promise<GitServer> {
    const server = new GitServer();
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return `http://127.0.0.1:${address.port}`;
  }

  /** A new repository; its files are committed by `commit`. */
  repository(name: string): Repository {
    return new Repository(join(this.directory, name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.directory, { recursive: true, force: true });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const login = request.headers.authorization ?? '';
    this.logins.push(login);
    if (this.password !== undefined && login !== this.password) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
      return;
    }
    const url = new URL(request.url ?? '/', 'http://localhost');
    const child = spawn('git', ['http-backend'], {
      env: {
        PATH: process.env['PATH'],
        GIT_PROJECT_ROOT: this.directory,
        GIT_HTTP_EXPORT_ALL: '1',
        GIT_CONFIG_GLOBAL: '/dev/null',
        PATH_INFO: url.pathname,
        QUERY_STRING: url.search.slice(1),
        REQUEST_METHOD: request.method,
        CONTENT_TYPE: request.headers['content-type'],
        HTTP_CONTENT_ENCODING: request.headers['content-encoding'],
        GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
        REMOTE_ADDR: '127.0.0.1',
      } as NodeJS.ProcessEnv,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    request.pipe(child.stdin);
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('close', () => {
      const all = Buffer.concat(chunks);
      const end = all.indexOf('\r\n\r\n');
      const head = all.subarray(0, end).toString('latin1').split('\r\n');
      const headers = head.map((line) => line.split(': ') as [string, string]);
      const status = headers.find(([name]) => name === 'Status')?.[1] ?? '200';
      response.writeHead(Number.parseInt(status, 10), Object.fromEntries(headers));
      response.end(all.subarray(end + 4));
    });
  }
}

/** A repository with a working directory, committed to at a fixed time. */
export class Repository {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    mkdirSync(path, { recursive: true });
    this.git('init', '-q', '-b', 'main');
  }

  git(...args: readonly string[]): string {
    const made = spawnSync('git', ['-c', 'protocol.file.allow=always', ...args], {
      cwd: this.path,
      encoding: 'utf8',
      env: {
        PATH: process.env['PATH'],
        HOME: this.path,
        GIT_CONFIG_GLOBAL: '/dev/null',
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_AUTHOR_NAME: 'a',
        GIT_AUTHOR_EMAIL: 'a@example.com',
        GIT_COMMITTER_NAME: 'a',
        GIT_COMMITTER_EMAIL: 'a@example.com',
        GIT_AUTHOR_DATE: DATE,
        GIT_COMMITTER_DATE: DATE,
      } as NodeJS.ProcessEnv,
    });
    if (made.status !== 0) throw new Error(`git ${args.join(' ')}: ${made.stderr}`);
    return made.stdout.trim();
  }

  write(files: Readonly<Record<string, string>>): this {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(this.path, name)), { recursive: true });
      writeFileSync(join(this.path, name), content);
    }
    return this;
  }

  /** Commits all that is there; gives the commit. */
  commit(message = 'a commit'): string {
    this.git('add', '-A');
    this.git('commit', '-q', '--allow-empty', '-m', message);
    return this.git('rev-parse', 'HEAD');
  }

  /** Makes another repository's commit a submodule, as `git submodule add` does, without fetching it. */
  submodule(path: string, url: string, commit: string): this {
    this.git('config', '-f', '.gitmodules', `submodule.${path}.path`, path);
    this.git('config', '-f', '.gitmodules', `submodule.${path}.url`, url);
    mkdirSync(join(this.path, path), { recursive: true });
    this.git('update-index', '--add', '--cacheinfo', `160000,${commit},${path}`);
    this.git('add', '.gitmodules');
    this.git('commit', '-q', '-m', 'a submodule');
    return this;
  }
}
