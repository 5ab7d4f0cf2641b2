/** Makes the files of a case: its context, what lies beside it, and what is served. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import type { TarHeader } from '../../src/layers/tar/entry.ts';
import { END_OF_ARCHIVE, encodeHeader, padded } from '../../src/layers/tar/write.ts';
import type { Bench } from './bld.ts';
import type { BuildCase, CaseEntry } from './case-file.ts';
import type { FileServer } from './file-server.ts';

/** How cases name the file server, and how results do. */
const SERVER = 'http://files';
/** The time of all files, so that nothing depends on when the test runs. */
const TIME = 1_500_000_000;

/** A case on disk. Dispose it to remove it. */
export class CaseFiles implements Disposable {
  readonly directory: string;
  readonly context: string;
  readonly #case: BuildCase;
  readonly #server: FileServer;

  constructor(build: BuildCase, server: FileServer) {
    this.#case = build;
    this.#server = server;
    this.directory = mkdtempSync(join(tmpdir(), 'bld-case-'));
    chmodSync(this.directory, 0o755);
    // BuildKit takes files of two contexts with one name for the same when their sizes and times are
    this.context = join(this.directory, `context-${basename(this.directory)}`);
    for (const path of [this.context, this.#at('@side/.')]) mkdirSync(path, { recursive: true });
    for (const entry of build.entries) this.#make(entry);
    for (const entry of build.entries) {
      this.#setMode(entry);
      if (!entry.path.startsWith('@http/')) lutimesSync(this.#at(entry.path), TIME, TIME);
    }
  }

  /** The words of a command line for these flags, with the context's as the last. */
  words(flags: readonly string[]): string[] {
    const { context, stdin } = this.#case;
    return [...flags, context ?? (stdin === 'context' ? '-' : '@ctx')].map((word) =>
      this.#filled(word).replaceAll('@ctx', this.context).replaceAll('@side', this.#at('@side')),
    );
  }

  /** What standard input has. */
  input(): Buffer | undefined {
    const { stdin } = this.#case;
    if (stdin === undefined) return undefined;
    if (stdin !== 'context') return readFileSync(this.#at(stdin));
    const order = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner'];
    return spawnSync('tar', ['-c', ...order, '-C', this.context, '.'], { maxBuffer: 1 << 26 }).stdout;
  }

  /** A result free of where this test runs. */
  plain<T>(result: T): T {
    const text = JSON.stringify(result)
      .replaceAll(this.#server.url, SERVER)
      .replaceAll(this.context, '@ctx')
      .replaceAll(this.directory, '@');
    return JSON.parse(text) as T;
  }

  /** Gives the context to the bench's person. */
  own(bench: Bench): void {
    if (bench.person === 'root') return;
    bench.ownAll(this.context);
    for (const entry of this.#case.entries) this.#setMode(entry); // a new owner takes the special bits away
  }

  #setMode({ path, kind, mode }: CaseEntry): void {
    if (path.startsWith('@http/')) return;
    if (kind === 'dir') chmodSync(this.#at(path), mode ?? 0o755);
    if (kind === 'file' || kind === 'archive') chmodSync(this.#at(path), mode ?? 0o644);
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #filled(text: string): string {
    return text.replaceAll(SERVER, this.#server.url);
  }

  #at(path: string): string {
    return path.startsWith('@side') ? join(this.directory, `side${path.slice(5)}`) : join(this.context, path);
  }

  #make(entry: CaseEntry): void {
    const { path, kind, target } = entry;
    if (path.startsWith('@http/')) {
      this.#server.serve(path.slice(6), this.#bytes(entry), entry.options.get('modified'));
      return;
    }
    const at = this.#at(path);
    mkdirSync(dirname(at), { recursive: true });
    if (kind === 'dir') mkdirSync(at, { recursive: true });
    else if (kind === 'symlink') symlinkSync(target, at);
    else if (kind === 'hardlink') linkSync(this.#at(target), at);
    else {
      writeFileSync(at, this.#bytes(entry));
      const attribute = entry.options.get('xattr');
      if (attribute) spawnSync('setfattr', ['-n', `user.${attribute}`, '-v', 'value', at]);
    }
  }

  #bytes({ kind, options, text }: CaseEntry): Buffer {
    if (kind === 'archive') return packed(text, options.get('tar') ?? '');
    const filled = this.#filled(options.has('bare') ? text.replace(/\n$/, '') : text);
    if (options.has('size')) return Buffer.alloc(Number(options.get('size')), filled);
    const lines = options.has('crlf') ? filled.replaceAll('\n', '\r\n') : filled;
    return Buffer.from(`${options.has('bom') ? '\ufeff' : ''}${lines}`);
  }
}

const TYPES: Readonly<Record<string, TarHeader['type']>> = {
  f: 'file',
  d: 'dir',
  l: 'symlink',
  h: 'hardlink',
  c: 'char',
  b: 'block',
  p: 'fifo',
};

/** One member a line: `TYPE NAME MODE UID:GID TIME [WORD]`; the word is content, target or `major,minor`; `x=HEX` a capability. */
function packed(lines: string, compression: string): Buffer {
  const members = lines.split('\n').filter(Boolean).flatMap(member);
  const plain = Buffer.concat([...members, END_OF_ARCHIVE]);
  if (compression === 'zstd') return zstdCompressSync(plain);
  if (!compression) return plain;
  return spawnSync(compression, ['-c'], { input: plain }).stdout;
}

function member(line: string): Buffer[] {
  const [letter = '', name = '', mode = '', owner = '', time = '', ...words] = line.split(' ');
  const type = TYPES[letter];
  if (type === undefined) throw new Error(`a member of what type? ${line}`);
  const capability = words.find((word) => word.startsWith('x='));
  const word = words.find((one) => one !== capability) ?? '';
  const data = Buffer.from(type === 'file' ? word : '');
  const [uid = 0, gid = 0] = owner.split(':').map(Number);
  const [major = 0, minor = 0] = type === 'char' || type === 'block' ? word.split(',').map(Number) : [];
  const header: TarHeader = {
    path: Buffer.from(name === '""' ? '' : name),
    type,
    mode: Number.parseInt(mode, 8),
    uid,
    gid,
    size: data.length,
    mtime: BigInt(time) * 1_000_000_000n,
    linkPath: Buffer.from(type === 'symlink' || type === 'hardlink' ? word : ''),
    major,
    minor,
    xattrs: capability ? new Map([['security.capability', Buffer.from(capability.slice(2), 'hex')]]) : null,
    extents: null,
  };
  return [encodeHeader(header), data, padded(data.length)];
}
