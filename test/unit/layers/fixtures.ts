import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { applyLayer } from '../../../src/layers/apply.ts';
import { type ChangesOptions, changes } from '../../../src/layers/diff.ts';
import { type PackOptions, packLayer } from '../../../src/layers/pack.ts';
import type { TarEntry, TarHeader, TarLimits } from '../../../src/layers/tar/entry.ts';
import { type BlockFields, encodeBlock } from '../../../src/layers/tar/header.ts';
import { encodePax } from '../../../src/layers/tar/pax.ts';
import { readTar } from '../../../src/layers/tar/read.ts';
import { END_OF_ARCHIVE, encodeHeader, padded } from '../../../src/layers/tar/write.ts';
import type { StoreKind } from '../../../src/store/types.ts';

/** What the user who runs the tests can have: real owners, or owners in attributes. */
export const KIND: StoreKind =
  process.geteuid?.() === 0 ? { xattrs: 'trusted', owners: 'real' } : { xattrs: 'user', owners: 'xattr' };

/** A header with everything that a test does not care about filled in. */
export function header(path: string | Buffer, more: Partial<TarHeader> = {}): TarHeader {
  const type = more.type ?? 'file';
  return {
    path: Buffer.from(path),
    type,
    mode: type === 'dir' ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: 1_700_000_000_000_000_000n,
    linkPath: Buffer.alloc(0),
    major: 0,
    minor: 0,
    xattrs: null,
    extents: null,
    ...more,
  };
}

/** A member: header and data, padded. */
export function member(
  path: string | Buffer,
  data: string | Buffer = '',
  more: Partial<TarHeader> = {},
): Buffer {
  const bytes = Buffer.from(data);
  return Buffer.concat([
    encodeHeader(header(path, { size: bytes.length, ...more })),
    bytes,
    padded(bytes.length),
  ]);
}

export function link(type: 'symlink' | 'hardlink', path: string, target: string): Buffer {
  return member(path, '', { type, linkPath: Buffer.from(target), mode: 0o777 });
}

export function dir(path: string | Buffer, more: Partial<TarHeader> = {}): Buffer {
  return member(path, '', { type: 'dir', ...more });
}

/** A block with any fields, for what the writer would never write. */
export function block(
  fields: Partial<Omit<BlockFields, 'name'>> & { readonly name: string | Buffer },
): Buffer {
  return encodeBlock({
    flag: '0',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: 0,
    ...fields,
    name: Buffer.from(fields.name),
  });
}

/** A record before a member: PAX (`x`, `g`) or GNU (`L`, `K`). */
export function extra(flag: string, data: Buffer): Buffer {
  return Buffer.concat([block({ name: 'extra', flag, size: data.length }), data, padded(data.length)]);
}

export function pax(records: Record<string, string | Buffer>, flag = 'x'): Buffer {
  const map = new Map(Object.entries(records).map(([key, value]) => [key, Buffer.from(value)]));
  return extra(flag, encodePax(map));
}

export function archive(...members: readonly Buffer[]): Buffer {
  return Buffer.concat([...members, END_OF_ARCHIVE]);
}

/** The bytes in chunks of `size`. */
export async function* chunked(bytes: Buffer, size = 1000): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export interface ReadEntry {
  readonly header: TarHeader;
  readonly data: Buffer;
}

/** All entries with their bytes. */
export async function entriesOf(tar: Buffer, limits?: TarLimits, chunk = 1000): Promise<ReadEntry[]> {
  const found: ReadEntry[] = [];
  for await (const { body, ...rest } of readTar(chunked(tar, chunk), limits)) {
    found.push({ header: rest, data: await collect(body) });
  }
  return found;
}

export async function paths(tar: Buffer): Promise<string[]> {
  return (await entriesOf(tar)).map((entry) => entry.header.path.toString());
}

/** A directory that is gone after the test. */
export function scratch(): string {
  const path = mkdtempSync(join(tmpdir(), 'bld-layers-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export type { TarEntry };

/** Unpacks a layer's tar into a fresh directory; its path, with `diff` in it. */
export async function applied(tar: Buffer, kind: StoreKind = KIND): Promise<string> {
  const directory = scratch();
  await applyLayer(chunked(tar, 10_000), { directory, ...kind });
  return directory;
}

/** The tar that the trees (`<directory>/diff`, uppermost first) make together. */
export function packed(
  directories: readonly string[],
  options: PackOptions & Partial<ChangesOptions> = {},
): Promise<Buffer> {
  const stack = directories.map((directory) => join(directory, 'diff'));
  return collect(packLayer(changes(stack, { kind: KIND, ...options }), options));
}

/** `path`, or `path -> target`, or `path = data` of each entry, in order. */
export async function listing(tar: Buffer): Promise<string[]> {
  return (await entriesOf(tar)).map(({ header: { path, type, linkPath }, data }) => {
    if (type === 'file') return data.length > 0 ? `${path} = ${data}` : `${path}`;
    return linkPath.length > 0 ? `${path} ${type === 'symlink' ? '->' : '=='} ${linkPath}` : `${path}`;
  });
}
