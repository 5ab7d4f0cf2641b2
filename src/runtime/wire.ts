import { FIRST_PASSED_FD } from '../native/helper.ts';
import type { Fd } from '../native/sys.ts';

/**
 * A message to the helper (native/overlay/spec.c): records of two little-endian 32-bit lengths, key NUL, value NUL;
 * and the descriptors that go with it.
 */
export class Wire {
  readonly #parts: Buffer[] = [];
  readonly fds: Fd[] = [];

  put(key: string, value: string | number | bigint | Buffer = ''): void {
    const bytes = Buffer.isBuffer(value) ? value : Buffer.from(String(value));
    const name = Buffer.from(key);
    const record = Buffer.alloc(10 + name.length + bytes.length);
    record.writeUInt32LE(name.length, 0);
    record.writeUInt32LE(bytes.length, 4);
    name.copy(record, 8);
    bytes.copy(record, 9 + name.length);
    this.#parts.push(record);
  }

  /** A flag is there or not. */
  flag(key: string, on: boolean | undefined): void {
    if (on) this.put(key);
  }

  optional(key: string, value: string | number | undefined): void {
    if (value !== undefined) this.put(key, value);
  }

  descriptor(key: string, fd: Fd): void {
    this.put(key, FIRST_PASSED_FD + this.fds.push(fd) - 1);
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
