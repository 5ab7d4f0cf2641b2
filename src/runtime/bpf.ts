/**
 * Classic BPF for seccomp(2): rules by system call number become a binary search over the numbers. See the kernel's
 * Documentation/userspace-api/seccomp_filter.rst.
 */

export type Comparison = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge' | 'masked';

export interface ArgumentTest {
  /** 0..5 */
  readonly index: number;
  readonly op: Comparison;
  readonly value: bigint;
  /** Of `masked`: argument & mask == value. */
  readonly mask?: bigint;
}

/** `action` is a SECCOMP_RET_* value; it holds when all tests hold. */
export interface SyscallRule {
  readonly action: number;
  readonly tests: readonly ArgumentTest[];
}

export interface ArchitectureRules {
  /** AUDIT_ARCH_* */
  readonly audit: number;
  /** By number; the first rule that holds wins, else `fallback`. */
  readonly rules: ReadonlyMap<number, readonly SyscallRule[]>;
  readonly fallback: number;
  /** What numbers from `knownEnd` on get: calls newer than the rules. */
  readonly knownEnd: number;
  readonly unknown: number;
  /** Numbers from here on are of another form of processes. */
  readonly beyond?: { readonly start: number; readonly action: number };
}

export const RET_ALLOW = 0x7fff_0000;
export const RET_KILL_PROCESS = 0x8000_0000;
export const RET_ERRNO = 0x0005_0000;
export const RET_NOTIFY = 0x7fc0_0000;

const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP = 0x05; // BPF_JMP | BPF_JA
const JUMP_EQ = 0x15;
const JUMP_GT = 0x25;
const JUMP_GE = 0x35;
const RETURN = 0x06;
const MAX_INSTRUCTIONS = 4096;

const NUMBER = 0; // offsets in struct seccomp_data
const ARCHITECTURE = 4;
const ARGUMENTS = 16;

/** Instructions, two numbers each: code with jump offsets, operand. */
type Code = readonly number[];

const word = (code: number, jt: number, jf: number) => (code | (jt << 16) | (jf << 24)) >>> 0;
const jump = (code: number, jt: number, jf: number, k: number): Code => [word(code, jt, jf), k];
const load = (offset: number): Code => [LOAD, offset];
const ret = (action: number): Code => [RETURN, action];
const high = (value: bigint) => Number((value >> 32n) & 0xffff_ffffn);
const low = (value: bigint) => Number(value & 0xffff_ffffn);

/** Code that goes on behind its end when the test holds, and `miss` instructions further when it does not. */
function testCode(test: ArgumentTest, miss: number): Code {
  const at = ARGUMENTS + 8 * test.index;
  const [loadHigh, loadLow] = [load(at + 4), load(at)];
  const [h, l] = [high(test.value), low(test.value)];
  /** The lower half decides only between equal upper halves. */
  const ordered = (ifGreater: number, ifLess: number, below: Code) => [
    ...loadHigh,
    ...jump(JUMP_GT, ifGreater, 0, h),
    ...jump(JUMP_EQ, 0, ifLess, h),
    ...loadLow,
    ...below,
  ];
  switch (test.op) {
    case 'eq':
      return [...loadHigh, ...jump(JUMP_EQ, 0, miss + 2, h), ...loadLow, ...jump(JUMP_EQ, 0, miss, l)];
    case 'ne':
      return [...loadHigh, ...jump(JUMP_EQ, 0, 2, h), ...loadLow, ...jump(JUMP_EQ, miss, 0, l)];
    case 'gt':
      return ordered(3, miss + 2, jump(JUMP_GT, 0, miss, l));
    case 'ge':
      return ordered(3, miss + 2, jump(JUMP_GE, 0, miss, l));
    case 'lt':
      return ordered(miss + 3, 2, jump(JUMP_GE, miss, 0, l));
    case 'le':
      return ordered(miss + 3, 2, jump(JUMP_GT, miss, 0, l));
    case 'masked': {
      const mask = test.mask ?? 0n;
      const upper = [...loadHigh, AND, high(mask), ...jump(JUMP_EQ, 0, miss + 3, h)];
      return [...upper, ...loadLow, AND, low(mask), ...jump(JUMP_EQ, 0, miss, l)];
    }
  }
}

function ruleCode(rule: SyscallRule): Code {
  let code = ret(rule.action);
  for (const test of rule.tests.toReversed()) code = [...testCode(test, code.length / 2), ...code];
  return code;
}

function leafCode(rules: readonly SyscallRule[], fallback: number): Code {
  const code: number[] = [];
  for (const rule of rules) {
    code.push(...ruleCode(rule));
    if (rule.tests.length === 0) return code;
  }
  code.push(...ret(fallback));
  return code;
}

interface Interval {
  readonly start: number;
  readonly code: Code;
}

/** Neighbours of one and the same fate are one interval. */
function intervals(architecture: ArchitectureRules): Interval[] {
  const { rules, fallback, knownEnd, unknown, beyond } = architecture;
  const found: Interval[] = [];
  let present = -1; // the action of the last interval, -1 when it depends on arguments
  const fate = (start: number, action: number) => {
    if (action === present) return;
    present = action;
    found.push({ start, code: ret(action) });
  };
  let next = 0;
  for (const number of [...rules.keys()].sort((a, b) => a - b)) {
    if (number > next) fate(next, fallback);
    const list = rules.get(number) ?? [];
    const first = list[0];
    if (first && first.tests.length === 0) fate(number, first.action);
    else {
      present = -1;
      found.push({ start: number, code: leafCode(list, fallback) });
    }
    next = number + 1;
  }
  if (knownEnd > next) fate(next, fallback);
  fate(Math.max(knownEnd, next), unknown);
  if (beyond) fate(beyond.start, beyond.action);
  return found;
}

/** The code for list[from] to list[to - 1]. */
function searchCode(list: readonly Interval[], from: number, to: number, into: number[]): void {
  const half = (from + to) >> 1;
  const middle = list[half];
  if (!middle) return;
  if (half === from) {
    into.push(...middle.code);
    return;
  }
  // Conditional jumps reach 255 instructions, the unconditional one all.
  into.push(word(JUMP_GE, 0, 1), middle.start, JUMP, 0);
  const start = into.length;
  searchCode(list, from, half, into);
  into[start - 1] = (into.length - start) / 2;
  searchCode(list, half, to, into);
}

/** `struct sock_filter[]`, little-endian. A process of an architecture that is not listed is killed. */
export function compileFilter(architectures: readonly ArchitectureRules[]): Buffer {
  const code: number[] = [...load(ARCHITECTURE)];
  for (const architecture of architectures) {
    const list = intervals(architecture);
    code.push(word(JUMP_EQ, 1, 0), architecture.audit, JUMP, 0);
    const start = code.length;
    code.push(...load(NUMBER));
    searchCode(list, 0, list.length, code);
    code[start - 1] = (code.length - start) / 2;
  }
  code.push(...ret(RET_KILL_PROCESS));
  if (code.length > 2 * MAX_INSTRUCTIONS) throw new Error('internal: the seccomp filter is too long');
  return Buffer.from(Uint32Array.from(code).buffer);
}
