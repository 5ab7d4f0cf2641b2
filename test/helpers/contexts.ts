import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { inject } from 'vitest';
import type { Bench, CallOptions } from './bld.ts';

/** A directory with these files, by their paths; `BASE` in them is the tests' base image. */
export function directoryOf(bench: Bench, name: string, files: Readonly<Record<string, string>>): string {
  const directory = bench.mkdir(name);
  for (const [path, content] of Object.entries(files)) {
    bench.mkdir(join(name, dirname(path)));
    writeFileSync(join(directory, path), content.replaceAll('BASE', inject('base')));
  }
  bench.ownAll(directory);
  return directory;
}

/** A context directory with a Dockerfile and other files. */
export function contextOf(
  bench: Bench,
  dockerfile: string,
  files: Readonly<Record<string, string>> = {},
): string {
  return directoryOf(bench, 'context', { ...files, Dockerfile: dockerfile });
}

/** Builds beside servers of this process; the image's id. */
export async function built(
  bench: Bench,
  args: readonly string[],
  options: CallOptions = {},
): Promise<string> {
  const made = await bench.meanwhile(['build', '-q', ...args], options);
  if (made.code !== 0) throw new Error(`bld build ${args.join(' ')}: ${made.stderr}`);
  return made.stdout.trim();
}

/** What a command prints in the image. */
export function runIn(bench: Bench, image: string, ...command: readonly string[]): string {
  const container = bench.run('from', image);
  const said = bench.run('run', container, ...command);
  bench.run('rm', container);
  return said;
}
