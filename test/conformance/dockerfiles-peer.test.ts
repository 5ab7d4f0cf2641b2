import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { Bench } from '../helpers/bld.ts';
import { makeBases } from '../helpers/case-bases.ts';
import { type Builder, dockerBuilder, prepareDocker, type Result } from '../helpers/case-builders.ts';
import { differencesOf, meant } from '../helpers/case-difference.ts';
import { readCases } from '../helpers/case-file.ts';
import { Docker } from '../helpers/docker.ts';
import { FileServer } from '../helpers/file-server.ts';

// What was recorded is what a BuildKit makes of the cases: the one that is installed says so, as far as it knows them.
const PLACE = join(import.meta.dirname, 'dockerfiles');
/** Those where most can go wrong, for time is short. */
const GROUPS = ['add', 'copy', 'ignore', 'run'];
const docker = await Docker.start();
const directory = mkdtempSync(join(tmpdir(), 'bld-dockerfiles-peer-'));

const version = docker ? docker.version() : 0;
const recorded: Readonly<Record<string, Result>> = Object.assign(
  {},
  ...GROUPS.map((group) => JSON.parse(readFileSync(join(PLACE, `${group}.json`), 'utf8')) as unknown),
);
const known = GROUPS.flatMap((group) => readCases(join(PLACE, `${group}.txt`))).filter(
  ({ fails, since }) => !fails && since <= version,
);
let builder: Builder;
let server: FileServer;

beforeAll(async () => {
  if (!docker) return;
  using bench = new Bench('root');
  server = await FileServer.start();
  const bases = makeBases(bench, inject('base'));
  await prepareDocker(docker.command, bases);
  builder = dockerBuilder(docker.command, { bases, server, directory });
});
afterAll(async () => {
  await docker?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

describe.skipIf(!docker)('the installed BuildKit builds as recorded', () => {
  test.concurrent.each(known)('$name', async ({ differences, ...build }) => {
    const peer = recorded[build.name];
    if (!peer) throw new Error(`record ${build.name} with test/conformance/record.ts`);
    // where builders disagree it may be with bld
    const apart = differences.map(meant);
    const found = differencesOf(await builder({ ...build, differences }), peer);
    // how a history is worded has changed with time
    const unknown = found.filter(
      (difference) => !apart.includes(difference) && !difference.startsWith('history '),
    );
    expect(unknown).toEqual([]);
  });
});
