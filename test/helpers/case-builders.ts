/** Builds cases: with bld, and with a docker. */
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from './bld.ts';
import type { Bases } from './case-bases.ts';
import { CaseFiles } from './case-context.ts';
import type { BuildCase } from './case-file.ts';
import type { FileServer } from './file-server.ts';
import { readDockerArchive, type Summary, summarise } from './image-summary.ts';
import { type KnownLayers, validateLayout } from './validate.ts';

/** How a build ended: with an image, or with what went wrong. */
export type Result = { readonly image: Summary } | { readonly failure: Failure };

export interface Failure {
  /** What kind of mistake it was, the same word for all builders. */
  readonly kind: Kind;
  readonly message: string;
}

/** The file or the command line is wrong; a file, stage or image is not there; a command failed; bytes are others. */
export type Kind = 'input' | 'missing' | 'command' | 'digest';

export type Builder = (build: BuildCase) => Promise<Result>;

interface Said {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a program that is given what to read. */
async function said(child: ReturnType<typeof spawn>, input: Buffer | undefined): Promise<Said> {
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
  }
  child.stdin?.on('error', () => {}); // who needs no input need not read it
  child.stdin?.end(input);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}

const OWN_KINDS: Readonly<Record<string, Kind>> = {
  E_NOT_FOUND: 'missing',
  E_NETWORK: 'missing',
  E_REGISTRY: 'missing',
  E_RUN: 'command',
  E_INTEGRITY: 'digest',
};

/** Cases by bld, as the person of the bench. */
export function bldBuilder(bench: Bench, bases: Bases, server: FileServer): Builder {
  const known: KnownLayers = new Map();
  return async (build) => {
    using files = new CaseFiles(build, server);
    files.own(bench);
    const layout = join(bench.directory, `out-${build.name}`);
    const words = [
      '--log-format',
      'json',
      'build',
      '-q',
      '-t',
      `oci:${layout}:case`,
      ...files.words(build.flags),
    ];
    const { code, output } = await said(bench.startFed(words), files.input());
    if (code !== 0) return { failure: files.plain(ownFailure(output)) };
    const [image, ...others] = validateLayout(layout, known);
    if (!image || others.length > 0) throw new Error(`${build.name}: not one image`);
    rmSync(layout, { recursive: true });
    return { image: files.plain(summarise(image, bases.files, build.times)) };
  };
}

function ownFailure(output: string): Failure {
  const line = output.split('\n').findLast((one) => one.startsWith('{')) ?? '';
  const { code, message } = JSON.parse(line || `{"code":"no error","message":${JSON.stringify(output)}}`);
  return { kind: OWN_KINDS[code] ?? 'input', message: `${code} ${message}` };
}

/** What is seen of a peer's message; the first that fits. */
const PEER_KINDS: readonly (readonly [RegExp, Kind])[] = [
  [/did not complete successfully/, 'command'],
  [/digest mismatch/, 'digest'],
  [
    /not found|no such file|could not be found|does not exist|no match for|failed to compute|404|to do request|unable to (?:find|access)|unset ssh/i,
    'missing',
  ],
];

/** Cases by docker's BuildKit; `command` is a docker client with its options. */
export function dockerBuilder(
  command: readonly [string, ...string[]],
  { bases, server, directory }: { bases: Bases; server: FileServer; directory: string },
): Builder {
  const docker = (args: readonly string[], input?: Buffer) => {
    const [program, ...words] = command;
    const env = { ...process.env, DOCKER_BUILDKIT: '1', BUILDKIT_PROGRESS: 'plain' };
    return said(spawn(program, [...words, ...args], { stdio: 'pipe', cwd: directory, env }), input);
  };
  return async (build) => {
    using files = new CaseFiles(build, server);
    const name = `bld-case-${process.pid}-${build.name}`;
    const flags = ['--network', 'host', '--no-cache', '-t', name];
    const built = await docker(['build', ...flags, ...files.words(build.peerFlags)], files.input());
    if (built.code !== 0) return { failure: files.plain(peerFailure(built.output)) };
    const archive = join(directory, `${name}.tar`);
    const saved = await docker(['save', '-o', archive, name]);
    await docker(['rmi', '-f', name]);
    if (saved.code !== 0) throw new Error(`${build.name}: ${saved.output}`);
    const image = files.plain(summarise(readDockerArchive(archive), bases.files, build.times));
    rmSync(archive);
    return { image };
  };
}

function peerFailure(output: string): Failure {
  const line = output.split('\n').findLast((one) => /error|unknown|not /i.test(one)) ?? output.trim();
  const message = line
    .replace(/^.*?ERROR: |^#\d+ /, '')
    .replace(/^failed to build: /, '')
    .replace(/^failed to solve[^:]*: (?:rpc error: .* desc = )?/, '')
    .replace(/of ref \S+: /, '')
    .replace(/ \S+\/merged\//g, ' /');
  return { kind: PEER_KINDS.find(([pattern]) => pattern.test(message))?.[1] ?? 'input', message };
}

/** Brings the bases into a docker; its version. */
export async function prepareDocker(command: readonly [string, ...string[]], bases: Bases): Promise<number> {
  const [program, ...words] = command;
  const run = async (...args: string[]) => {
    const result = await said(spawn(program, [...words, ...args], { stdio: 'pipe' }), undefined);
    if (result.code !== 0) throw new Error(`${program} ${args.join(' ')}: ${result.output}`);
    return result.output;
  };
  for (const archive of bases.archives) await run('load', '-i', archive);
  return Number.parseInt(await run('version', '--format', '{{.Server.Version}}'), 10);
}

/** Builds all cases, some at once; the result of each, or the error that kept it from one. */
export async function buildAll(
  cases: readonly BuildCase[],
  builder: Builder,
  width: number,
): Promise<ReadonlyMap<string, Result | Error>> {
  const results = new Map<string, Result | Error>();
  const waiting = cases.values();
  const work = async () => {
    for (const build of waiting) {
      results.set(
        build.name,
        await builder(build).catch((error: unknown) =>
          error instanceof Error ? error : new Error(String(error)),
        ),
      );
    }
  };
  await Promise.all(Array.from({ length: width }, work));
  return results;
}
