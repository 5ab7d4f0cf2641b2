import { describe, expect, test } from 'vitest';
import { aliases, commands } from '../../../src/cli/catalogue.ts';
import { globalFlags } from '../../../src/cli/globals.ts';
import { commandHelp, programHelp } from '../../../src/cli/help.ts';
import type { CommandSpec } from '../../../src/cli/spec.ts';

const layout = { width: 100, colour: false };
const specs: readonly CommandSpec[] = await Promise.all(
  Object.values(commands).map((entry) => entry.words()),
);

describe('the commands', () => {
  test('are known by their own names and aliases', () => {
    expect(specs.map(({ name }) => name)).toEqual(Object.keys(commands));
    const told = specs.flatMap(({ name, aliases: others = [] }) => others.map((other) => [other, name]));
    const known = Object.entries(aliases).filter(([, name]) => name in commands);
    expect(Object.fromEntries(told)).toEqual(Object.fromEntries(known));
  });

  test.each(specs.map((spec) => [spec.name, spec] as const))('%s is described', (_name, spec) => {
    expect(spec.summary).toMatch(/^[A-Z].*[^.]$/);
    for (const example of spec.examples) expect(example).toMatch(/\bbld /);
    const shorts: string[] = [];
    for (const [flag, { short, summary, kind, value, hidden, ignored }] of Object.entries(spec.flags)) {
      expect(flag).toMatch(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
      expect(summary).not.toMatch(/[^.]\.$/);
      expect(summary.length).toBeLessThan(110);
      if (kind !== 'bool' && !hidden && !ignored) expect(value).toMatch(/^[A-Z[]/);
      if (short !== undefined) shorts.push(short);
    }
    expect(new Set(shorts).size).toBe(shorts.length);
  });

  test.each(specs.map((spec) => [spec.name, spec] as const))('the help of %s fits', (_, spec) => {
    const help = commandHelp(spec, layout);
    expect(help).toContain(`Usage: bld ${spec.name} ${spec.usage}`);
    expect(help).toContain('\nExamples:\n');
    for (const line of help.split('\n')) {
      if (!line.startsWith('  bld ')) expect(line.length).toBeLessThanOrEqual(100);
      expect(line).toBe(line.trimEnd());
    }
    for (const [flag, { hidden, ignored, unsupported }] of Object.entries(spec.flags)) {
      const isShown = new RegExp(`^ .*--${flag}(?: |$|\\[)`, 'm').test(help);
      expect([flag, isShown]).toEqual([flag, !(hidden || ignored || unsupported)]);
    }
  });
});

describe('the help of bld', () => {
  test('lists all in groups', () => {
    const help = programHelp(specs, layout);
    for (const { name, summary } of specs)
      expect(help).toMatch(new RegExp(`^  ${name} +${summary.slice(0, 20)}`, 'm'));
    for (const name of ['root', 'log-level', 'log-format']) expect(help).toContain(`--${name} `);
    expect(help).not.toContain('\x1b');
    expect(Object.keys(globalFlags)).toContain('storage-driver');
  });

  test('colour on request', () => {
    expect(programHelp(specs, { width: 80, colour: true })).toContain('\x1b[');
  });
});
