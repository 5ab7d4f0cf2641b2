/** Runs a seccomp filter as the kernel would: the instructions that src/runtime/bpf.ts uses, and no others. */
export interface SeccompData {
  readonly number: number;
  readonly audit: number;
  readonly args?: readonly bigint[];
}

export function runFilter(filter: Buffer, data: SeccompData): number {
  const memory = Buffer.alloc(64);
  memory.writeUInt32LE(data.number >>> 0, 0);
  memory.writeUInt32LE(data.audit >>> 0, 4);
  for (const [i, value] of (data.args ?? []).entries())
    memory.writeBigUInt64LE(BigInt.asUintN(64, value), 16 + 8 * i);
  let accumulator = 0;
  for (let at = 0; ; at++) {
    if ((at + 1) * 8 > filter.length) throw new Error(`the filter runs past its end at ${at}`);
    const code = filter.readUInt16LE(at * 8);
    const [jt, jf, k] = [filter[at * 8 + 2] ?? 0, filter[at * 8 + 3] ?? 0, filter.readUInt32LE(at * 8 + 4)];
    const jump = (holds: boolean) => {
      at += holds ? jt : jf;
    };
    switch (code) {
      case 0x20:
        accumulator = memory.readUInt32LE(k);
        break;
      case 0x54:
        accumulator = (accumulator & k) >>> 0;
        break;
      case 0x05:
        at += k;
        break;
      case 0x15:
        jump(accumulator === k);
        break;
      case 0x25:
        jump(accumulator > k);
        break;
      case 0x35:
        jump(accumulator >= k);
        break;
      case 0x06:
        return k;
      default:
        throw new Error(`instruction ${code} at ${at}`);
    }
  }
}
