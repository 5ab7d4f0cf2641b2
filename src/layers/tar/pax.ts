/** Records of a PAX extended header: `<length> <key>=<value>\n`, values as bytes (tar-stream makes text of them). */
import { malformed } from './header.ts';

const SPACE = 0x20;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;

/** Key → value, the last of a key wins; an empty value takes the key back (POSIX: "as if the record was not there"). */
export function decodePax(bytes: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  const sparse: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    // some writers fill the rest with NULs
    if (bytes[at] === 0 && bytes.subarray(at).every((byte) => byte === 0)) break;
    const space = bytes.indexOf(SPACE, at);
    const digits = bytes.toString('latin1', at, space);
    const end = at + Number(digits);
    if (
      space === -1 ||
      !/^[1-9][0-9]{0,9}$/.test(digits) ||
      end > bytes.length ||
      bytes[end - 1] !== NEWLINE
    ) {
      throw malformed('a PAX record has a wrong length');
    }
    const equals = bytes.indexOf(EQUALS, space);
    if (equals === -1 || equals >= end || equals === space + 1) throw malformed('a PAX record has no key');
    const key = bytes.toString('utf8', space + 1, equals);
    const value = Buffer.from(bytes.subarray(equals + 1, end - 1));
    if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') sparse.push(value);
    else if (value.length === 0 && !key.startsWith('SCHILY.xattr.')) records.delete(key);
    else records.set(key, value);
    at = end;
  }
  // sparse format 0.0 repeats its keys, 0.1 says the same in one value
  if (sparse.length > 0) records.set('GNU.sparse.map', Buffer.from(sparse.join(',')));
  return records;
}

/** The records in the order of the map. */
export function encodePax(records: ReadonlyMap<string, Buffer>): Buffer {
  const parts: Buffer[] = [];
  for (const [key, value] of records) {
    const rest = Buffer.byteLength(key) + value.length + 3;
    let length = rest + String(rest).length;
    length = rest + String(length).length;
    parts.push(Buffer.from(`${length} ${key}=`), value, Buffer.from('\n'));
  }
  return Buffer.concat(parts);
}

/** A decimal without sign or fraction, at most 2^53 - 1. */
export function paxNatural(value: Buffer, key: string): number {
  const digits = value.toString('latin1');
  const number = Number(digits);
  if (!/^[0-9]{1,16}$/.test(digits) || !Number.isSafeInteger(number)) {
    throw malformed(`the PAX record ${key} is no number: ${digits.slice(0, 40)}`);
  }
  return number;
}

/** Seconds with an optional sign and fraction → nanoseconds (digits after the ninth are cut). */
export function paxTime(value: Buffer, key: string): bigint {
  const found = /^(-?)([0-9]{1,20})(?:\.([0-9]*))?$/.exec(value.toString('latin1'));
  if (!found) throw malformed(`the PAX record ${key} is no time: ${value.toString('latin1', 0, 40)}`);
  const [, sign, whole = '0', fraction = ''] = found;
  const ns = BigInt(whole) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  return sign ? -ns : ns;
}

/** Nanoseconds as PAX seconds, without zeros at the end. */
export function timeText(ns: bigint): string {
  const size = ns < 0n ? -ns : ns;
  const fraction = String(size % 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return `${ns < 0n ? '-' : ''}${size / 1_000_000_000n}${fraction && `.${fraction}`}`;
}
