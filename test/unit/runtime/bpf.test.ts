import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type ArgumentTest,
  compileFilter,
  RET_ALLOW,
  RET_ERRNO,
  RET_KILL_PROCESS,
  type SyscallRule,
} from '../../../src/runtime/bpf.ts';
import { runFilter } from './bpf-machine.ts';

const AUDIT = 0xc000_003e;
const UNKNOWN = RET_ERRNO | 38;
const FORBIDDEN = RET_ERRNO | 1;

const wide = fc.oneof(
  fc.bigInt(0n, 2n ** 64n - 1n),
  fc.bigInt(0n, 3n),
  fc.bigInt(2n ** 32n - 2n, 2n ** 32n + 2n),
);
const argumentTest: fc.Arbitrary<ArgumentTest> = fc.record({
  index: fc.nat(5),
  op: fc.constantFrom('eq', 'ne', 'lt', 'le', 'gt', 'ge', 'masked'),
  value: wide,
  mask: wide,
});

function holds({ index, op, value, mask }: ArgumentTest, args: readonly bigint[]): boolean {
  const found = args[index] ?? 0n;
  const compare = {
    eq: found === value,
    ne: found !== value,
    lt: found < value,
    le: found <= value,
    gt: found > value,
    ge: found >= value,
  };
  return op === 'masked' ? (found & (mask ?? 0n)) === value : compare[op];
}

describe('compileFilter', () => {
  test('does what the rules say', () => {
    const rule: fc.Arbitrary<SyscallRule> = fc.record({
      action: fc.constantFrom(RET_ALLOW, FORBIDDEN, RET_ERRNO | 7),
      tests: fc.array(argumentTest, { maxLength: 3 }),
    });
    const rules = fc.dictionary(fc.nat(400).map(String), fc.array(rule, { minLength: 1, maxLength: 3 }), {
      maxKeys: 80,
    });
    fc.assert(
      fc.property(rules, fc.nat(500), fc.tuple(wide, wide, wide, wide, wide, wide), (list, asked, args) => {
        const map = new Map(Object.entries(list).map(([number, value]) => [Number(number), value]));
        const knownEnd = 350;
        const filter = compileFilter([
          { audit: AUDIT, rules: map, fallback: FORBIDDEN, knownEnd, unknown: UNKNOWN },
        ]);
        const number = map.size > 0 && asked % 2 ? ([...map.keys()][asked % map.size] ?? 0) : asked;
        const last = Math.max(knownEnd, ...[...map.keys()].map((key) => key + 1));
        const found = map.get(number)?.find(({ tests }) => tests.every((test) => holds(test, args)));
        const wanted = found?.action ?? (number >= last ? UNKNOWN : FORBIDDEN);
        expect(runFilter(filter, { number, audit: AUDIT, args })).toBe(wanted);
      }),
    );
  });

  test('kills what is of another architecture', () => {
    const filter = compileFilter([
      { audit: AUDIT, rules: new Map(), fallback: RET_ALLOW, knownEnd: 9, unknown: RET_ALLOW },
    ]);
    expect(runFilter(filter, { number: 0, audit: 1 })).toBe(RET_KILL_PROCESS);
    expect(runFilter(filter, { number: 0, audit: AUDIT })).toBe(RET_ALLOW);
  });

  test('refuses to grow past what the kernel takes', () => {
    const rules = new Map(
      Array.from({ length: 900 }, (_, i) => [
        i,
        [{ action: i, tests: [{ index: 0, op: 'eq' as const, value: 1n }] }],
      ]),
    );
    expect(() => compileFilter([{ audit: AUDIT, rules, fallback: 0, knownEnd: 0, unknown: 0 }])).toThrow(
      'too long',
    );
  });
});
