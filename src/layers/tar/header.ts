/**
 * The 512-byte blocks of POSIX.1-2024 pax "ustar Interchange Format" and of GNU tar, as bytes. tar-stream's own codec
 * loses owners over 262143, dates after 2038 and names that are not UTF-8; so this one stands before it.
 */
import { BldError } from '../../base/errors.ts';
import { shownPath } from './entry.ts';

export const BLOCK = 512;
const SPACE = 0x20;
const ZERO = 0x30;

/** What a block says, before PAX and GNU records change it. */
export interface Block {
  readonly flag: string;
  readonly name: Buffer;
  readonly linkName: Buffer;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Seconds. */
  readonly mtime: bigint;
  readonly major: number;
  readonly minor: number;
}

/** 'E_ARCHIVE' with the member's name when one is known. */
export function malformed(what: string, name?: Buffer): BldError {
  return new BldError('E_ARCHIVE', `malformed archive: ${what}${name ? ` (entry ${shownPath(name)})` : ''}`);
}

function text(block: Buffer, from: number, length: number): Buffer {
  const nul = block.indexOf(0, from);
  return Buffer.from(block.subarray(from, nul === -1 || nul > from + length ? from + length : nul));
}

/** GNU's base-256: the first byte's top bit is set, the rest is a big-endian two's complement number. */
function binary(block: Buffer, from: number, length: number): bigint {
  let value = BigInt((block[from] ?? 0) & 0x7f);
  if (value & 0x40n) value -= 0x80n;
  for (let at = from + 1; at < from + length; at++) value = (value << 8n) | BigInt(block[at] ?? 0);
  return value;
}

/** Octal text between spaces and NULs; blank is 0. */
function octal(block: Buffer, from: number, length: number): number {
  const end = from + length;
  let at = from;
  while (at < end && (block[at] === SPACE || block[at] === 0)) at++;
  let value = 0;
  for (; at < end; at++) {
    const digit = (block[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  if (at < end && block[at] !== SPACE && block[at] !== 0) throw malformed('a header number is not octal');
  return value;
}

function big(block: Buffer, from: number, length: number): bigint {
  return (block[from] ?? 0) & 0x80 ? binary(block, from, length) : BigInt(octal(block, from, length));
}

function natural(block: Buffer, from: number, length: number): number {
  if (((block[from] ?? 0) & 0x80) === 0) return octal(block, from, length);
  const value = binary(block, from, length);
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw malformed(`a header number is out of range: ${value}`);
  }
  return Number(value);
}

export function isZero(block: Buffer): boolean {
  if (block[0] !== 0) return false;
  for (let at = 1; at < BLOCK; at++) if (block[at] !== 0) return false;
  return true;
}

/** The sum of all bytes with the checksum field as spaces; old programs added signed bytes. */
function checksums(block: Buffer): { unsigned: number; signed: number } {
  let sum = 8 * 0x20;
  let high = 0;
  for (let at = 0; at < BLOCK; at++) {
    if (at === 148) at = 156;
    const byte = block[at] ?? 0;
    sum += byte;
    high += byte >> 7;
  }
  return { unsigned: sum, signed: sum - 256 * high };
}

/** Reads one header block; E_ARCHIVE when it is none. */
export function decodeBlock(block: Buffer): Block {
  const { unsigned, signed } = checksums(block);
  const stated = octal(block, 148, 8);
  if (stated !== unsigned && stated !== signed) throw malformed('a header checksum does not match');
  const flag = String.fromCharCode(block[156] || 0x30);
  let name = text(block, 0, 100);
  // "ustar\0" is POSIX; GNU's "ustar  \0" and the ancients have other things where the prefix is, star has times at its end
  if (block.toString('latin1', 257, 263) === 'ustar\0' && block[345] !== 0) {
    const star = block.toString('latin1', 508, 512) === 'tar\0';
    const prefix = text(block, 345, star ? 131 : 155);
    name = Buffer.concat([prefix, Buffer.from('/'), name]);
  }
  const device = flag === '3' || flag === '4';
  return {
    flag,
    name,
    linkName: text(block, 157, 100),
    mode: natural(block, 100, 8) & 0o7777,
    uid: natural(block, 108, 8),
    gid: natural(block, 116, 8),
    size: natural(block, 124, 12),
    mtime: big(block, 136, 12),
    major: device ? natural(block, 329, 8) : 0,
    minor: device ? natural(block, 337, 8) : 0,
  };
}

/** Fields that are already known to fit: names ≤ 100 and 155 bytes, numbers within their octal digits. */
export interface BlockFields {
  readonly name: Buffer;
  readonly prefix?: Buffer;
  readonly linkName?: Buffer;
  readonly flag: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly major?: number;
  readonly minor?: number;
}

function put(block: Buffer, at: number, digits: number, value: number): void {
  block.write(value.toString(8).padStart(digits, '0'), at, digits, 'latin1');
}

/** One POSIX ustar block, without user and group names: images know numbers only. */
export function encodeBlock(fields: BlockFields): Buffer {
  const block = Buffer.alloc(BLOCK);
  fields.name.copy(block, 0, 0, 100);
  put(block, 100, 7, fields.mode);
  put(block, 108, 7, fields.uid);
  put(block, 116, 7, fields.gid);
  put(block, 124, 11, fields.size);
  put(block, 136, 11, fields.mtime);
  block.write(fields.flag, 156, 'latin1');
  fields.linkName?.copy(block, 157, 0, 100);
  block.write('ustar\x0000', 257, 'latin1');
  put(block, 329, 7, fields.major ?? 0);
  put(block, 337, 7, fields.minor ?? 0);
  fields.prefix?.copy(block, 345, 0, 155);
  put(block, 148, 6, checksums(block).unsigned);
  block[155] = 0x20;
  return block;
}
