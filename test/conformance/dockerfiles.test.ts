import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { Bench, PEOPLE, type Person } from '../helpers/bld.ts';
import { type Bases, loadBases, makeBases } from '../helpers/case-bases.ts';
import { type Builder, bldBuilder, type Result } from '../helpers/case-builders.ts';
import { differencesOf, meant } from '../helpers/case-difference.ts';
import { readCases } from '../helpers/case-file.ts';
import { FileServer } from '../helpers/file-server.ts';

const PLACE = join(import.meta.dirname, 'dockerfiles');
const GROUPS = readdirSync(PLACE)
  .filter((name) => name.endsWith('.txt') && name !== 'features.txt')
  .map((name) => basename(name, '.txt'));
const CASES = GROUPS.flatMap((group) => readCases(join(PLACE, `${group}.txt`)));
const FEATURES = readFileSync(join(PLACE, 'features.txt'), 'utf8')
  .split('\n')
  .filter((line) => line && !line.startsWith('#'))
  .map((line) => line.split(/\s+/)[0] ?? '');

/** What BuildKit made of them, see record.ts. */
const RECORDED: Readonly<Record<string, Result>> = Object.assign(
  {},
  ...GROUPS.map((group) => JSON.parse(readFileSync(join(PLACE, `${group}.json`), 'utf8')) as unknown),
);

let server: FileServer;
let first: Bench;
let bases: Bases;

beforeAll(async () => {
  server = await FileServer.start();
  first = new Bench('root');
  bases = makeBases(first, inject('base'));
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  first[Symbol.dispose]();
});

describe('the cases', () => {
  test('have a name each', () => {
    const names = CASES.map(({ name }) => name);
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
  });

  test('cover every feature, and none that is not listed', () => {
    const covered = new Set(CASES.flatMap(({ covers }) => covers));
    expect(FEATURES.filter((feature) => !covered.has(feature))).toEqual([]);
    expect([...covered].filter((feature) => !FEATURES.includes(feature))).toEqual([]);
    expect(CASES.filter(({ covers }) => covers.length === 0)).toEqual([]);
  });
});

/** Whose owners, modes and mounts are made in other ways without root: the cases that have some. */
const FILES = ['add', 'choices', 'copy', 'ignore', 'link', 'run'].flatMap((group) =>
  readCases(join(PLACE, `${group}.txt`)).filter(({ fails }) => !fails),
);

describe.each(PEOPLE)('as BuildKit builds them, as %s', (person: Person) => {
  const cases = (person === 'root' ? CASES : FILES).filter(({ notAs }) => !notAs.includes(person));
  const bench = new Bench(person);
  let builder: Builder;

  beforeAll(() => {
    loadBases(bench, bases);
    builder = bldBuilder(bench, bases, server);
  });
  afterAll(() => bench[Symbol.dispose]());

  test.concurrent.each(cases)('$name', async (build) => {
    const peer = RECORDED[build.name];
    if (!peer) throw new Error(`record ${build.name} with test/conformance/record.ts`);
    const result = await builder(build);
    expect(differencesOf(result, peer)).toEqual(build.differences.map(meant));
    if (!build.fails) return;
    const message = 'failure' in result ? result.failure.message : 'built';
    expect(message).toContain(`${build.fails.code} `);
    expect(message).toContain(build.fails.says);
  });
});
