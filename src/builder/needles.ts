/** One form in which a secret's bytes may show up. */
export interface Needle {
  /** The secret's id, which may be told. */
  readonly id: string;
  readonly bytes: Buffer;
  /** Its presence in a layer is no chance; others only mask output. */
  readonly isTelling: boolean;
}

/** Shorter values are in every output; they are not masked. */
const SHORTEST_MASKED = 4;
const SHORTEST_TELLING = 8;
/** A part of a longer secret that stands for itself. */
const SHORTEST_PART = 16;
/** `base64` breaks its lines after so many characters. */
const BASE64_LINE = 76;
/** Three of these side by side: one at least has no line break in it. */
const WINDOW = 24;

/** The forms of a secret: as it is, its lines where it has several, and in base64 wherever it begins there. */
export function needlesOf(id: string, value: Buffer): Needle[] {
  const text = value.toString('latin1').replace(/[\r\n]+$/, '');
  if (text.length < SHORTEST_MASKED) return [];
  const isTelling = text.length >= SHORTEST_TELLING;
  const needles: Needle[] = [{ id, bytes: Buffer.from(text, 'latin1'), isTelling }];
  const add = (part: string, isTelling: boolean) =>
    needles.push({ id, bytes: Buffer.from(part, 'latin1'), isTelling });
  for (const line of partsOf(text)) add(line, false);
  if (!isTelling) return needles;
  for (const skipped of [0, 1, 2]) {
    const encoded = base64Of(text, skipped);
    for (const window of windowsOf(encoded)) add(window, true);
    for (let at = 0; at < encoded.length; at += BASE64_LINE) {
      const line = encoded.slice(at, at + BASE64_LINE);
      if (line.length >= SHORTEST_PART) add(line, false);
    }
  }
  return needles;
}

/** The lines of a text of several; the frame of a key is no secret. */
function partsOf(text: string): string[] {
  const lines = text.split(/\r?\n/);
  return lines.length < 2
    ? []
    : lines.filter((line) => line.length >= SHORTEST_PART && !line.startsWith('-----'));
}

/** Three bytes are four characters: whatever stands before, from one of three places on the text looks like this. */
function base64Of(text: string, skipped: number): string {
  const groups = Math.floor((text.length - skipped) / 3);
  return Buffer.from(text.slice(skipped, skipped + groups * 3), 'latin1').toString('base64');
}

/** All of it, or parts of its middle: keys of one kind begin alike. */
function windowsOf(encoded: string): string[] {
  if (encoded.length < SHORTEST_TELLING) return [];
  if (encoded.length < 3 * WINDOW) return [encoded];
  const middle = Math.floor((encoded.length - 3 * WINDOW) / 2);
  return [0, 1, 2].map((index) => encoded.slice(middle + index * WINDOW, middle + (index + 1) * WINDOW));
}

/** Finds needles in a stream of chunks, also where one lies across two of them. */
export class Search {
  readonly found = new Set<string>();
  readonly #needles: readonly Needle[];
  readonly #overlap: number;
  #end: Buffer = Buffer.alloc(0);

  constructor(needles: readonly Needle[]) {
    this.#needles = needles.filter(({ isTelling }) => isTelling);
    this.#overlap = Math.max(0, ...this.#needles.map(({ bytes }) => bytes.length - 1));
  }

  add(chunk: Buffer): void {
    const border = Buffer.concat([this.#end, chunk.subarray(0, this.#overlap)]);
    for (const { id, bytes } of this.#needles) {
      if (this.found.has(id)) continue;
      if (chunk.includes(bytes) || border.includes(bytes)) this.found.add(id);
    }
    const whole = chunk.length >= this.#overlap ? chunk : Buffer.concat([this.#end, chunk]);
    this.#end = Buffer.from(whole.subarray(Math.max(0, whole.length - this.#overlap)));
  }
}
