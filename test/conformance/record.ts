/**
 * Records what a peer makes of the cases in dockerfiles/: `node test/conformance/record.ts [--docker COMMAND] [GROUP…]`.
 * As root, with bld built; COMMAND is a docker client whose engine is the newest BuildKit at hand (default: docker).
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { Bench } from '../helpers/bld.ts';
import { makeBases } from '../helpers/case-bases.ts';
import { buildAll, dockerBuilder, prepareDocker } from '../helpers/case-builders.ts';
import { readCases } from '../helpers/case-file.ts';
import { FileServer } from '../helpers/file-server.ts';
import { makeBase } from '../helpers/system.ts';

const PLACE = join(import.meta.dirname, 'dockerfiles');

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { docker: { type: 'string', default: 'docker' } },
    allowPositionals: true,
  });
  const [program = 'docker', ...words] = values.docker.split(' ');
  const command = [program, ...words] as const;
  const all = readdirSync(PLACE).filter((name) => name.endsWith('.txt') && name !== 'features.txt');
  const groups = all.map((name) => basename(name, '.txt'));
  const directory = mkdtempSync(join(tmpdir(), 'bld-record-'));
  await using server = await FileServer.start();
  using bench = new Bench('root');
  try {
    const bases = makeBases(bench, makeBase(directory));
    const engine = await prepareDocker(command, bases);
    const builder = dockerBuilder(command, { bases, server, directory });
    for (const group of groups.filter((name) => positionals.length === 0 || positionals.includes(name))) {
      const cases = readCases(join(PLACE, `${group}.txt`));
      const results = await buildAll(cases, builder, 3);
      const lines = cases.map(({ name }) => {
        const result = results.get(name);
        if (result instanceof Error || !result) throw result ?? new Error(name);
        console.log(`${group} ${name}: ${'failure' in result ? result.failure.message : 'built'}`);
        return `${JSON.stringify(name)}: ${JSON.stringify(result, null, 1)}`;
      });
      writeFileSync(join(PLACE, `${group}.json`), `{\n"engine": ${engine},\n${lines.join(',\n')}\n}\n`);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

await main();
