/**
 * The part of an archive that tar-stream reads wrongly (see DESIGN "Choices"): header blocks, GNU long names, PAX
 * records, sparse maps. They are taken out here and become `TarHeader`s; what is left for tar-stream is an archive of
 * plain files, one a member, in the same order.
 */
import { BldError } from '../../base/errors.ts';
import type { TarHeader, TarLimits, TarType } from './entry.ts';
import { BLOCK, type Block, decodeBlock, encodeBlock, isZero, malformed } from './header.ts';
import { decodePax, paxNatural, paxTime } from './pax.ts';
import { bodySparse, oldSparse, paxSparse, type SparseMap } from './sparse.ts';
import type { Supply } from './supply.ts';

const TYPES: Readonly<Record<string, TarType>> = {
  0: 'file',
  7: 'file',
  S: 'file',
  1: 'hardlink',
  2: 'symlink',
  3: 'char',
  4: 'block',
  5: 'dir',
  6: 'fifo',
};

/** Largest id that chown takes: 2^32 - 1 means "leave it". */
const ID_MAX = 2 ** 32 - 2;

/** Records that stand before a member's own block. */
interface Prelude {
  pax: Map<string, Buffer>;
  longName: Buffer | null;
  longLink: Buffer | null;
  /** Bytes of these records so far. */
  size: number;
}

/** A member and how many bytes of data follow its header. */
export interface Member {
  readonly header: TarHeader;
  readonly stored: number;
}

async function record(supply: Supply, size: number, prelude: Prelude, limits: TarLimits): Promise<Buffer> {
  prelude.size += size + BLOCK;
  if (prelude.size > limits.header) {
    throw new BldError(
      'E_LIMIT',
      `an archive entry has more than ${limits.header} bytes of names and attributes`,
    );
  }
  const bytes = await supply.exactly(size);
  await supply.exactly(padding(size));
  return bytes;
}

/** Bytes from the end of `size` bytes of data to the next block. */
export function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function untilNul(bytes: Buffer): Buffer {
  const nul = bytes.indexOf(0);
  return Buffer.from(nul === -1 ? bytes : bytes.subarray(0, nul));
}

/** The next member, or null at the archive's end (two zero blocks, or the stream's end between members). */
export async function nextMember(supply: Supply, limits: TarLimits): Promise<Member | null> {
  const prelude: Prelude = { pax: new Map(), longName: null, longLink: null, size: 0 };
  for (;;) {
    const bytes = supply.readyExactly(BLOCK) ?? (await supply.exactlyOrEnd(BLOCK));
    if (!bytes || isZero(bytes)) {
      if (prelude.size > 0) throw malformed('it ends between an entry and its attributes');
      if (!bytes) return null;
      const second = await supply.exactlyOrEnd(BLOCK);
      if (second && !isZero(second)) throw malformed('a single zero block between entries');
      return null;
    }
    const block = decodeBlock(bytes);
    switch (block.flag) {
      case 'x':
      case 'X':
        prelude.pax = decodePax(await record(supply, block.size, prelude, limits));
        break;
      case 'g':
        // global records could change every later entry; nobody writes such layers, git puts a comment there
        decodePax(await record(supply, block.size, prelude, limits));
        break;
      case 'L':
        prelude.longName = untilNul(await record(supply, block.size, prelude, limits));
        break;
      case 'K':
        prelude.longLink = untilNul(await record(supply, block.size, prelude, limits));
        break;
      case 'V':
        await record(supply, block.size, prelude, limits);
        prelude.size = 0;
        break;
      default:
        return assemble(bytes, block, prelude, { supply, limits });
    }
  }
}

interface Reading {
  readonly supply: Supply;
  readonly limits: TarLimits;
}

async function assemble(bytes: Buffer, block: Block, prelude: Prelude, reading: Reading): Promise<Member> {
  const { pax } = prelude;
  const path = pax.get('GNU.sparse.name') ?? pax.get('path') ?? prelude.longName ?? block.name;
  let type = TYPES[block.flag];
  if (!type) throw malformed(`unknown entry type ${JSON.stringify(block.flag)}`, path);
  if (type === 'file' && path[path.length - 1] === 0x2f) type = 'dir';
  const number = (key: string, otherwise: number): number => {
    const value = pax.get(key);
    return value ? paxNatural(value, key) : otherwise;
  };
  // only files have data, whatever the others' size says; as docker and containerd read it
  let stored = type === 'file' ? number('size', block.size) : 0;
  const sparse = type === 'file' ? await sparseMap(bytes, block, pax, { ...reading, stored }) : null;
  if (sparse) stored = sparse.stored;
  const mtime = pax.get('mtime');
  const header: TarHeader = {
    path,
    type,
    mode: block.mode,
    uid: number('uid', block.uid),
    gid: number('gid', block.gid),
    size: sparse ? sparse.size : stored,
    mtime: mtime ? paxTime(mtime, 'mtime') : block.mtime * 1_000_000_000n,
    linkPath:
      type === 'symlink' || type === 'hardlink'
        ? (pax.get('linkpath') ?? prelude.longLink ?? block.linkName)
        : Buffer.alloc(0),
    major: number('SCHILY.devmajor', block.major),
    minor: number('SCHILY.devminor', block.minor),
    xattrs: xattrsOf(pax),
    extents: sparse ? sparse.extents : null,
  };
  check(header, reading.limits);
  return { header, stored };
}

function check(header: TarHeader, limits: TarLimits): void {
  const { path, linkPath, type } = header;
  if (path.includes(0) || linkPath.includes(0)) throw malformed('a name with a NUL byte', path);
  if (linkPath.length === 0 && (type === 'symlink' || type === 'hardlink')) {
    throw malformed('a link without a target', path);
  }
  if (header.uid > ID_MAX || header.gid > ID_MAX) {
    throw malformed(`owner ${header.uid}:${header.gid} is out of range`, path);
  }
  if (header.size > limits.fileSize) {
    throw new BldError('E_LIMIT', `an archive entry claims ${header.size} bytes`);
  }
}

function xattrsOf(pax: ReadonlyMap<string, Buffer>): Map<string, Buffer> | null {
  let xattrs: Map<string, Buffer> | null = null;
  for (const [key, value] of pax) {
    if (!key.startsWith('SCHILY.xattr.')) continue;
    xattrs ??= new Map();
    xattrs.set(key.slice('SCHILY.xattr.'.length), value);
  }
  return xattrs;
}

async function sparseMap(
  bytes: Buffer,
  block: Block,
  pax: ReadonlyMap<string, Buffer>,
  { supply, limits, stored }: Reading & { readonly stored: number },
): Promise<(SparseMap & { readonly stored: number }) | null> {
  if (block.flag === 'S') return { ...(await oldSparse(bytes, stored, supply, limits)), stored };
  const real = pax.get('GNU.sparse.realsize') ?? pax.get('GNU.sparse.size');
  if (!real) return null;
  const size = paxNatural(real, 'GNU.sparse.realsize');
  if (size > limits.fileSize) throw new BldError('E_LIMIT', `an archive entry claims ${size} bytes`);
  const map = pax.get('GNU.sparse.map');
  if (map) return { ...paxSparse(map, size, stored, limits), stored };
  const version = `${pax.get('GNU.sparse.major') ?? ''}.${pax.get('GNU.sparse.minor') ?? ''}`;
  if (version !== '1.0') throw malformed(`sparse format ${version} is not known`);
  const found = await bodySparse(size, stored, supply, limits);
  return { ...found, stored: stored - found.taken };
}

/** The header block that tar-stream gets to see instead of the real ones: a plain file of `stored` bytes. */
export function plainBlock(stored: number): Buffer {
  return encodeBlock({ name: MEMBER, flag: '0', mode: 0o644, uid: 0, gid: 0, size: stored, mtime: 0 });
}

const MEMBER = Buffer.from('member');
