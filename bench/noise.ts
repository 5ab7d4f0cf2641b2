import { createCipheriv } from 'node:crypto';

/** Bytes that do not compress and are the same in each run: the key stream of a name. */
export function noise(name: string): (length: number) => Buffer {
  const key = Buffer.alloc(16);
  key.write(name.slice(0, 16));
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  return (length) => cipher.update(Buffer.alloc(length));
}

/** Text that compresses to about a third, as programs and documents do: words of one vocabulary. */
export function prose(name: string): (length: number) => Buffer {
  const random = noise(name);
  const letters = random(4096 * 6).map((byte) => 97 + (byte % 26));
  return (length) => {
    const text = Buffer.alloc(length, 10);
    const picks = random(Math.ceil(length / 7) * 2);
    for (let at = 0, pick = 0; at < length; at += 7, pick += 2) {
      const word = ((picks[pick] ?? 0) & 15) * 256 + (picks[pick + 1] ?? 0);
      text.set(letters.subarray(word * 6, word * 6 + Math.min(6, length - at)), at);
    }
    return text;
  };
}
