/** Sparse files of GNU tar: the old header type `S`, and PAX formats 0.0, 0.1 and 1.0 (GNU tar manual, "Sparse Formats"). */
import { BldError } from '../../base/errors.ts';
import type { Extent, TarLimits } from './entry.ts';
import { BLOCK, malformed } from './header.ts';
import type { Supply } from './supply.ts';

export interface SparseMap {
  /** Bytes of the file, holes included. */
  readonly size: number;
  readonly extents: readonly Extent[];
}

type Numbers = number[];

function decimal(text: string): number {
  const value = Number(text);
  if (!/^[0-9]{1,16}$/.test(text) || !Number.isSafeInteger(value)) throw malformed('a sparse map number');
  return value;
}

/** Checks what the map claims before anybody acts on it; extents of length 0 (GNU's end mark) are dropped. */
function checked(numbers: Numbers, size: number, stored: number): SparseMap {
  if (numbers.length % 2 !== 0) throw malformed('a sparse map ends in its middle');
  const extents: Extent[] = [];
  let end = 0;
  let total = 0;
  for (let at = 0; at < numbers.length; at += 2) {
    const [offset = 0, length = 0] = numbers.slice(at, at + 2);
    if (offset < end || offset + length > size) throw malformed('a sparse map overlaps itself or its file');
    end = offset + length;
    total += length;
    if (length > 0) extents.push({ offset, length });
  }
  if (total !== stored) throw malformed('a sparse map does not match its data');
  return { size, extents };
}

function capped(count: number, limits: TarLimits): void {
  if (count > limits.extents)
    throw new BldError('E_LIMIT', `a sparse file of more than ${limits.extents} extents`);
}

/** Type `S`: four extents in the header, 21 in each block that follows it. */
export async function oldSparse(
  block: Buffer,
  stored: number,
  supply: Supply,
  limits: TarLimits,
): Promise<SparseMap> {
  const numbers: Numbers = [];
  const collect = (from: Buffer, start: number, count: number) => {
    for (let at = start; at < start + count * 24; at += 24) {
      if (from[at] === 0 && from[at + 12] === 0) return;
      numbers.push(fieldNumber(from, at), fieldNumber(from, at + 12));
    }
  };
  collect(block, 386, 4);
  let more = block[482] !== 0;
  while (more) {
    const next = await supply.exactly(BLOCK);
    collect(next, 0, 21);
    capped(numbers.length / 2, limits);
    more = next[504] !== 0;
  }
  return checked(numbers, fieldNumber(block, 483), stored);
}

/** A 12-byte number: octal or base-256. */
function fieldNumber(block: Buffer, at: number): number {
  const first = block[at] ?? 0;
  if (first & 0x80) {
    if (first !== 0x80 || block.readUIntBE(at + 1, 5) !== 0) throw malformed('a sparse map number');
    const value = block.readUIntBE(at + 6, 6);
    return value;
  }
  const digits = block.toString('latin1', at, at + 12).replace(/^[ \0]+|[ \0]+$/g, '');
  if (!/^[0-7]*$/.test(digits)) throw malformed('a sparse map number');
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

/** Formats 0.0 and 0.1: the map is in the PAX record. */
export function paxSparse(map: Buffer, size: number, stored: number, limits: TarLimits): SparseMap {
  const words = map.toString('latin1').split(',');
  capped(words.length / 2, limits);
  return checked(words[0] === '' ? [] : words.map(decimal), size, stored);
}

/** Format 1.0: lines at the start of the data, up to a block's end. Also tells how many bytes of the data they took. */
export async function bodySparse(
  size: number,
  stored: number,
  supply: Supply,
  limits: TarLimits,
): Promise<SparseMap & { readonly taken: number }> {
  let taken = 0;
  let rest = '';
  const numbers: Numbers = [];
  let wanted = 1;
  while (numbers.length < wanted) {
    taken += BLOCK;
    if (taken > stored) throw malformed('a sparse map is longer than its member');
    const lines = (rest + (await supply.exactly(BLOCK)).toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > 20 && !rest.startsWith('\0')) throw malformed('a sparse map number');
    for (const line of lines) {
      if (numbers.length === wanted) break;
      numbers.push(decimal(line));
      if (numbers.length === 1 && wanted === 1) {
        const count = numbers[0] ?? 0;
        capped(count, limits);
        wanted = 1 + 2 * count;
      }
    }
    if (numbers.length === wanted) break;
  }
  return { ...checked(numbers.slice(1), size, stored - taken), taken };
}
