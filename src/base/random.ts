import { closeSync, openSync, readSync } from 'node:fs';

/** So many bytes of the kernel's random source as hexadecimal text; without loading `node:crypto`, which takes 5 ms. */
export function randomHex(bytes: number): string {
  const fd = openSync('/dev/urandom', 'r');
  try {
    const buffer = Buffer.alloc(bytes);
    for (let at = 0; at < bytes; ) at += readSync(fd, buffer, at, bytes - at, null);
    return buffer.toString('hex');
  } finally {
    closeSync(fd);
  }
}
