import type { Needle } from './needles.ts';

const MASK = Buffer.from('***');

/** Replaces secrets in a stream; what may be the start of one is held back until more comes. */
export interface Masker {
  push(chunk: Buffer): Buffer;
  /** What was held back, at the end of the stream. */
  end(): Buffer;
}

/** A masker for these secrets; with none it hands chunks through. */
export function openMasker(needles: readonly Needle[]): Masker {
  const all = needles.map(({ bytes }) => bytes).sort((a, b) => b.length - a.length);
  let held = Buffer.alloc(0);
  const pass = (data: Buffer, isEnd: boolean): Buffer => {
    const out: Buffer[] = [];
    let at = 0;
    while (at < data.length) {
      const hit = earliest(all, data, at);
      const open = isEnd ? data.length : openAt(all, data, at);
      if (!hit || open < hit.at || (open === hit.at && !isEnd)) {
        out.push(data.subarray(at, open));
        at = open;
        break;
      }
      out.push(data.subarray(at, hit.at), MASK);
      at = hit.at + hit.length;
    }
    held = Buffer.from(data.subarray(at));
    return out.length === 1 && out[0] ? out[0] : Buffer.concat(out);
  };
  if (all.length === 0) return { push: (chunk) => chunk, end: () => held };
  return {
    push: (chunk) => pass(held.length > 0 ? Buffer.concat([held, chunk]) : chunk, false),
    end: () => pass(held, true),
  };
}

/** The first occurrence of any needle, the longest where several begin at one place. */
function earliest(needles: readonly Buffer[], data: Buffer, from: number) {
  let best: { at: number; length: number } | undefined;
  for (const needle of needles) {
    const at = data.indexOf(needle, from);
    if (at >= 0 && (!best || at < best.at)) best = { at, length: needle.length };
  }
  return best;
}

/** Where a needle begins that the end of the data cuts off; the data's length when none does. */
function openAt(needles: readonly Buffer[], data: Buffer, from: number): number {
  let first = data.length;
  for (const needle of needles) {
    const start = Math.max(from, data.length - needle.length + 1);
    for (let at = data.indexOf(needle[0] ?? 0, start); at >= 0 && at < first; ) {
      const rest = data.length - at;
      if (needle.compare(data, at, data.length, 0, rest) === 0) first = at;
      at = data.indexOf(needle[0] ?? 0, at + 1);
    }
  }
  return first;
}
