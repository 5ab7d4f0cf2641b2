import { malformed } from './header.ts';

/** Bytes of a stream in the portions that a parser asks for; nothing is copied while a portion lies in one chunk. */
export class Supply {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** False at the stream's end. */
  async #next(): Promise<boolean> {
    const step = await this.#source.next();
    if (step.done) return false;
    const { buffer, byteOffset, byteLength } = step.value;
    this.#chunk = Buffer.from(buffer, byteOffset, byteLength);
    this.#at = 0;
    return true;
  }

  /** The next 1..`most` bytes that are at hand without waiting; null when there are none. */
  ready(most: number): Buffer | null {
    if (this.#at === this.#chunk.length) return null;
    const end = Math.min(this.#chunk.length, this.#at + most);
    const part = this.#chunk.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  /** The next 1..`most` bytes; E_ARCHIVE when the stream has ended. */
  async some(most: number): Promise<Buffer> {
    for (;;) {
      const part = this.ready(most);
      if (part) return part;
      if (!(await this.#next())) throw malformed('it is truncated');
    }
  }

  /** Exactly `count` bytes at hand without waiting, or null and nothing is taken. */
  readyExactly(count: number): Buffer | null {
    return this.#chunk.length - this.#at >= count ? this.ready(count) : null;
  }

  /** Exactly `count` bytes; E_ARCHIVE when the stream ends before. */
  async exactly(count: number): Promise<Buffer> {
    const whole = this.readyExactly(count);
    if (whole) return whole;
    const bytes = Buffer.allocUnsafe(count);
    for (let at = 0; at < count; ) at += (await this.some(count - at)).copy(bytes, at);
    return bytes;
  }

  /** As `exactly`, but null at the stream's very end. */
  async exactlyOrEnd(count: number): Promise<Buffer | null> {
    while (this.#at === this.#chunk.length) if (!(await this.#next())) return null;
    return this.exactly(count);
  }

  /** Reads to the end and keeps nothing: digests upstream have to see every byte. */
  async drain(): Promise<void> {
    this.#chunk = Buffer.alloc(0);
    this.#at = 0;
    while (await this.#next());
  }

  /** Tells the source that nobody reads on. */
  async stop(): Promise<void> {
    await this.#source.return?.();
  }
}
