import { randomBytes } from 'node:crypto';
import { createWriteStream, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BldError, explain } from '../../base/errors.ts';
import { decompressed, sniff } from '../../layers/decompress.ts';
import { BLOCK, decodeBlock, isZero } from '../../layers/tar/header.ts';
import { decodePax, paxNatural } from '../../layers/tar/pax.ts';
import { CHUNK, type FileTree, readRange } from './files.ts';

type Member =
  | { readonly kind: 'file'; readonly offset: number; readonly size: number }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'other' };

const MAX_MEMBERS = 100_000;
const MAX_RECORD = 1 << 20;
const MAX_LINKS = 8;
const SNIFF = 6;

/** Why an archive of an image has this: `docker save` once wrote a layer that is the same as another as a symlink. */
function linkTarget(name: string, flag: string, target: string): string {
  return flag === '1' ? target : posix.join(posix.dirname(name), target);
}

/** The member's name as the index has it: no leading `./` or `/`; names that leave the archive are never found. */
function memberName(name: string): string {
  return posix.normalize(name).replace(/^\/+/, '').replace(/\/$/, '');
}

/** Reads the headers alone, seeking over the data. */
async function indexMembers(file: FileHandle, label: string): Promise<Map<string, Member>> {
  const { size: end } = await file.stat();
  const members = new Map<string, Member>();
  let at = 0;
  let path: string | undefined;
  let link: string | undefined;
  let paxSize: number | undefined;

  const take = async (position: number, length: number): Promise<Buffer> => {
    const bytes = Buffer.alloc(length);
    const { bytesRead } = await file.read(bytes, 0, length, position);
    if (bytesRead < length) throw new BldError('E_ARCHIVE', `${label} is truncated`);
    return bytes;
  };
  const record = (size: number): Promise<Buffer> => {
    if (size > MAX_RECORD) throw new BldError('E_LIMIT', `${label}: a name of ${size} bytes`);
    return take(at + BLOCK, size);
  };
  const text = (bytes: Buffer) => bytes.toString('utf8').replace(/\0.*$/s, '');

  while (at + BLOCK <= end) {
    const bytes = await take(at, BLOCK);
    if (isZero(bytes)) break;
    const block = decodeBlock(bytes);
    const size = paxSize ?? block.size;
    const { flag } = block;
    if (flag === 'x' || flag === 'X') {
      const pax = decodePax(await record(block.size));
      path = pax.get('path')?.toString('utf8') ?? path;
      link = pax.get('linkpath')?.toString('utf8') ?? link;
      const stated = pax.get('size');
      if (stated) paxSize = paxNatural(stated, 'size');
    } else if (flag === 'L') path = text(await record(block.size));
    else if (flag === 'K') link = text(await record(block.size));
    else if (flag !== 'g') {
      if (members.size >= MAX_MEMBERS) throw new BldError('E_LIMIT', `${label} has too many members`);
      const name = memberName(path ?? block.name.toString('utf8'));
      const target = link ?? block.linkName.toString('utf8');
      members.set(name, member(flag, at + BLOCK, size, memberName(linkTarget(name, flag, target))));
      [path, link, paxSize] = [undefined, undefined, undefined];
    }
    // links and devices have no data, whatever their size field says
    const stored = /[1-6]/.test(flag) ? 0 : flag === '0' || flag === '7' ? size : block.size;
    at += BLOCK + Math.ceil(stored / BLOCK) * BLOCK;
    if (at > end + BLOCK) throw new BldError('E_ARCHIVE', `${label} is truncated`);
  }
  return members;
}

function member(flag: string, offset: number, size: number, target: string): Member {
  if (flag === '0' || flag === '7') return { kind: 'file', offset, size };
  if (flag === '1' || flag === '2') return { kind: 'link', target };
  return { kind: 'other' };
}

/** Where unpacked or piped archives are kept while they are read. */
export type Scratch = () => string;

/** The file itself, when it can be read in place; else its content, decompressed, in a scratch file that is gone with it. */
async function seekable(path: string, label: string, scratch: Scratch): Promise<FileHandle> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    throw explain(error, label);
  }
  const regular = (await file.stat()).isFile();
  const head = Buffer.alloc(SNIFF);
  if (regular) await file.read(head, 0, SNIFF, 0);
  if (regular && sniff(head) === 'none') return file;
  return spool(file.createReadStream({ highWaterMark: CHUNK }), scratch);
}

/** The stream's content, decompressed, as a file without a name. */
async function spool(stream: Readable, scratch: Scratch): Promise<FileHandle> {
  const copy = join(scratch(), `archive-${randomBytes(6).toString('hex')}`);
  try {
    await pipeline(decompressed(stream), createWriteStream(copy, { flags: 'wx', mode: 0o600 }));
    return await open(copy, 'r');
  } finally {
    rmSync(copy, { force: true });
  }
}

/** The regular files of an archive, read in place. Links are followed inside of it. Takes the file over. */
async function tarTree(file: FileHandle, label: string): Promise<FileTree> {
  const members = await indexMembers(file, label).catch(async (error: unknown) => {
    await file.close();
    throw error;
  });
  const find = (name: string): Extract<Member, { kind: 'file' }> | null => {
    let wanted = memberName(name);
    for (let hops = 0; hops <= MAX_LINKS; hops++) {
      const found = members.get(wanted);
      if (found === undefined) return null;
      if (found.kind === 'file') return found;
      if (found.kind === 'other') break;
      wanted = found.target;
    }
    throw new BldError('E_PATH', `${label}: ${name} is not a regular file`);
  };
  return {
    async size(name) {
      return find(name)?.size ?? null;
    },
    async open(name, offset = 0) {
      const found = find(name);
      if (found === null) throw new BldError('E_NOT_FOUND', `${label}: ${name} is missing`);
      const { offset: start, size } = found;
      return Readable.from(readRange(file, start + offset, start + size), { objectMode: false });
    },
    async [Symbol.asyncDispose]() {
      await file.close();
    },
  };
}

/** Opens an archive file, compressed or not, from disk or a pipe. */
export async function openTarTree(path: string, label: string, scratch: Scratch): Promise<FileTree> {
  return tarTree(await seekable(path, label, scratch), label);
}

/** The archive that comes as a stream, compressed or not. */
export async function spoolTarTree(stream: Readable, label: string, scratch: Scratch): Promise<FileTree> {
  return tarTree(await spool(stream, scratch), label);
}
