/** Measures bld side by side with the peers that are installed. See `--help`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { pushDebian, pushTiny } from './bases.ts';
import { makeIgnoredFiles, makeLargeFile, makeManyFiles, makeSmallFiles } from './context.ts';
import { type Lab, openLab } from './lab.ts';
import { type Options, readOptions, USAGE } from './options.ts';
import { bldPeer } from './peers/bld.ts';
import { findPeers, findPerson, findRootlessPeers } from './peers/find.ts';
import { startRegistry } from './registry.ts';
import { figures, machine, markdown, plain, table } from './report.ts';
import { measure } from './rounds.ts';
import { canTellMemory } from './shell.ts';
import type { Places, Row, Workload } from './types.ts';
import { makeWebApplication } from './web.ts';
import { BUILDS } from './workloads/builds.ts';
import { IMAGES } from './workloads/images.ts';
import { METADATA } from './workloads/metadata.ts';
import { STEPS } from './workloads/steps.ts';

const WORKLOADS: readonly Workload[] = [...STEPS, ...IMAGES, ...METADATA, ...BUILDS];

const tell = (line: string): void => console.error(line);

/** Makes what the chosen workloads read. */
async function furnish(
  lab: Lab,
  { registry, rootfs, workloads }: { registry: string; rootfs: string; workloads: readonly Workload[] },
): Promise<Places> {
  const uses = new Set(workloads.flatMap((workload) => workload.uses));
  const context = lab.directory('context');
  const bld = bldPeer(lab);
  if (uses.has('small')) makeSmallFiles(context);
  if (uses.has('large')) await makeLargeFile(context);
  if (uses.has('ignored')) makeIgnoredFiles(context);
  if (uses.has('many')) makeManyFiles(context);
  if (uses.has('web')) makeWebApplication(context);
  const tiny = await pushTiny(lab, bld, registry);
  const debian = uses.has('debian') ? await pushDebian(lab, bld, { registry, rootfs }) : undefined;
  return { registry, tiny, debian, context };
}

async function bench(options: Options, signal: AbortSignal): Promise<boolean> {
  const workloads = WORKLOADS.filter(({ name }) => options.only?.test(name) ?? true);
  using lab = openLab(signal);
  await using stack = new AsyncDisposableStack();
  const { host } = stack.use(await startRegistry(lab));
  const places = await furnish(lab, { registry: host, rootfs: options.rootfs, workloads });
  const person = findPerson(options.person);
  if (!person) tell(`rootless workloads are left out: there is no user ${options.person}`);
  if (!canTellMemory) tell('peak memory is left out: GNU time is not installed');
  const search = { chroots: options.chroots, tiny: places.tiny, wanted: options.peers, person, tell };
  const asRoot = await findPeers(lab, search, stack);
  const rootless = workloads.some((workload) => workload.rootless)
    ? await findRootlessPeers(lab, search)
    : [];
  const rows: Row[] = [];
  for (const workload of workloads) {
    const peers = workload.rootless ? rootless : asRoot;
    rows.push(await measure({ lab, places, rounds: options.rounds, peers, tell }, workload));
  }
  mkdirSync(dirname(options.json), { recursive: true });
  writeFileSync(options.json, `${JSON.stringify(figures(rows, asRoot), undefined, 2)}\n`);
  const cells = table(rows, asRoot);
  console.log(`${machine()}; medians of ${options.rounds}\n`);
  console.log(options.markdown ? markdown(cells) : plain(cells));
  return rows.every((row) => !row.failures.has('bld'));
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (!options) {
    console.log(USAGE);
    return 0;
  }
  if (options.list) {
    for (const { name, title } of WORKLOADS) console.log(`${name.padEnd(22)}${title}`);
    return 0;
  }
  if (process.getuid?.() !== 0) throw new Error('the peers need root: sudo npm run bench');
  const interruption = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => interruption.abort(new Error(`stopped by ${name}`)));
  }
  return (await bench(options, interruption.signal)) ? 0 : 1;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(`Error: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  },
);
