import type { TarHeader, TarType } from './entry.ts';
import { BLOCK, type BlockFields, encodeBlock } from './header.ts';
import { padding } from './members.ts';
import { encodePax, timeText } from './pax.ts';

const FLAGS: Readonly<Record<TarType, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  block: '4',
  dir: '5',
  fifo: '6',
};

const ID_LIMIT = 0o7777777;
const SIZE_LIMIT = 0o77777777777;
const SECOND = 1_000_000_000n;
const SLASH = 0x2f;

/** Two zero blocks: the end of every archive. */
export const END_OF_ARCHIVE = Buffer.alloc(2 * BLOCK);

/** Zeros from the end of `size` bytes of data to the next block. */
export function padded(size: number): Buffer {
  return END_OF_ARCHIVE.subarray(0, padding(size));
}

function isAscii(bytes: Buffer): boolean {
  return bytes.every((byte) => byte > 0 && byte < 0x80);
}

/** Name and prefix of a ustar block, or null where only PAX can say it. */
function splitName(name: Buffer): { name: Buffer; prefix?: Buffer } | null {
  if (!isAscii(name)) return null;
  if (name.length <= 100) return { name };
  if (name.length > 256) return null;
  // the slash between both is not written; the one at the end of a directory's name is no place to split
  const slash = name.subarray(0, name.length - 1).indexOf(SLASH, Math.max(1, name.length - 101));
  if (slash === -1 || slash > 155) return null;
  return { name: name.subarray(slash + 1), prefix: name.subarray(0, slash) };
}

/** A name for programs that do not know PAX: cut and made ASCII. */
function roughName(name: Buffer): Buffer {
  return Buffer.from(name.subarray(0, 100).map((byte) => (byte > 0 && byte < 0x80 ? byte : 0x5f)));
}

/** The records that ustar has no room for, in byte order of their keys; empty for most entries. */
function paxRecords(header: TarHeader, name: Buffer, plainName: boolean): Map<string, Buffer> {
  const records: [string, Buffer][] = [];
  const say = (key: string, value: Buffer | string) => records.push([key, Buffer.from(value)]);
  if (!plainName) say('path', name);
  if (header.linkPath.length > 100 || !isAscii(header.linkPath)) say('linkpath', header.linkPath);
  if (header.uid > ID_LIMIT) say('uid', String(header.uid));
  if (header.gid > ID_LIMIT) say('gid', String(header.gid));
  if (header.size > SIZE_LIMIT) say('size', String(header.size));
  const seconds = header.mtime / SECOND;
  if (header.mtime < 0n || header.mtime % SECOND !== 0n || seconds > BigInt(SIZE_LIMIT)) {
    say('mtime', timeText(header.mtime));
  }
  for (const [key, value] of header.xattrs ?? []) say(`SCHILY.xattr.${key}`, value);
  return new Map(records.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * The blocks before an entry's data, the same for the same header: POSIX ustar where it can say all, PAX records where it
 * cannot (long and non-ASCII names, ids over 2097151, 8 GiB, fractions of seconds, xattrs). Directories get their `/`.
 */
export function encodeHeader(header: TarHeader): Buffer {
  const end = header.path[header.path.length - 1];
  const name = header.type === 'dir' && end !== SLASH ? Buffer.concat([header.path, SLASHES]) : header.path;
  const split = splitName(name);
  const records = paxRecords(header, name, split !== null);
  const seconds = header.mtime / SECOND;
  const fields: BlockFields = {
    ...(split ?? { name: roughName(name) }),
    linkName: records.has('linkpath') ? roughName(header.linkPath) : header.linkPath,
    flag: FLAGS[header.type],
    mode: header.mode,
    uid: records.has('uid') ? 0 : header.uid,
    gid: records.has('gid') ? 0 : header.gid,
    size: records.has('size') ? 0 : header.size,
    mtime: header.mtime < 0n || seconds > BigInt(SIZE_LIMIT) ? 0 : Number(seconds),
    major: header.major,
    minor: header.minor,
  };
  if (records.size === 0) return encodeBlock(fields);
  const pax = encodePax(records);
  const block = encodeBlock({
    name: PAX_NAME,
    flag: 'x',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: pax.length,
    mtime: 0,
  });
  return Buffer.concat([block, pax, padded(pax.length), encodeBlock(fields)]);
}

const SLASHES = Buffer.from('/');
const PAX_NAME = Buffer.from('PaxHeaders/entry');
