/** Running programs, and what they leave: looked for in all of /proc, with no code of bld. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench, CallOptions, Output } from './bld.ts';

/** What the program printed and how it ended. */
export async function ended(child: ChildProcess): Promise<Output> {
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (chunk: string) => {
      texts[name] += chunk;
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, ...texts }));
  });
}

/** Any program as the bench's person, beside other work. */
export function start(
  bench: Bench,
  program: string,
  args: readonly string[],
  { cwd, env }: CallOptions = {},
): ChildProcess {
  const id = (flag: string) => Number(spawnSync('id', [flag, bench.person], { encoding: 'utf8' }).stdout);
  return spawn(program, args, {
    cwd: cwd ?? bench.directory,
    env: bench.environment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
    uid: id('-u'),
    gid: id('-g'),
  });
}

/** `bld ARGS…` beside other work, whatever its exit code. */
export function attempt(bench: Bench, args: readonly string[], options: CallOptions = {}): Promise<Output> {
  return ended(bench.start(args, options));
}

/** `bld ARGS…` beside other work, which must succeed; its stdout without the last newline. */
export async function call(
  bench: Bench,
  args: readonly string[],
  options: CallOptions = {},
): Promise<string> {
  const { code, signal, stdout, stderr } = await attempt(bench, args, options);
  if (code !== 0)
    throw new Error(`${bench.person}: bld ${args.join(' ')}: exit ${code ?? signal}\n${stderr}`);
  return stdout.replace(/\n$/, '');
}

/** Asks again until the answer is there; throws what is awaited when it does not come within `ms`. */
export async function until<T>(
  what: string,
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  ms = 20_000,
): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(10);
  }
}

/** What can be read of a process that may end meanwhile. */
function readable<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

interface Seen {
  readonly where: string;
  readonly text: string;
}

function* seenOf(pid: number): Generator<Seen> {
  const directory = `/proc/${pid}`;
  for (const where of ['cmdline', 'environ']) {
    yield {
      where,
      text: readable(() => readFileSync(`${directory}/${where}`, 'utf8'), '').replaceAll('\0', ' '),
    };
  }
  const descriptors = readable(() => readdirSync(`${directory}/fd`), []).map((fd) => `fd/${fd}`);
  for (const where of ['cwd', 'root', 'exe', ...descriptors]) {
    yield { where, text: readable(() => readlinkSync(`${directory}/${where}`), '') };
  }
}

function processes(): number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger);
}

/** Processes, this one left out, and mounts in any namespace that have to do with one of the texts. */
export function traces(texts: readonly string[]): string[] {
  const found: string[] = [];
  const namespaces = new Set<string>();
  const look = (pid: number, { where, text }: Seen) => {
    const line = text.split('\n').find((each) => texts.some((wanted) => each.includes(wanted)));
    if (line !== undefined) found.push(`${pid} ${where}: ${line.slice(0, 300)}`);
  };
  for (const pid of processes()) {
    const namespace = readable(() => readlinkSync(`/proc/${pid}/ns/mnt`), '');
    if (!namespaces.has(namespace)) {
      namespaces.add(namespace);
      look(pid, {
        where: 'mountinfo',
        text: readable(() => readFileSync(`/proc/${pid}/mountinfo`, 'utf8'), ''),
      });
    }
    if (pid === process.pid) continue;
    for (const seen of seenOf(pid)) look(pid, seen);
  }
  return found;
}

interface Stat {
  readonly parent: number;
  readonly dead: boolean;
  /** Tells a process from a later one of the same number. */
  readonly started: string;
}

function statOf(pid: number): Stat | undefined {
  const text = readable(() => readFileSync(`/proc/${pid}/stat`, 'latin1'), '');
  const [state = '', parent, ...rest] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (parent === undefined) return undefined;
  return { parent: Number(parent), dead: 'ZX'.includes(state), started: rest[17] ?? '' };
}

/** The process's children, theirs, and so on. */
function descendants(pid: number): number[] {
  const parents = processes().map((each) => [each, statOf(each)?.parent] as const);
  const found = [pid];
  for (const each of found) {
    found.push(...parents.filter(([, parent]) => parent === each).map(([child]) => child));
  }
  return found;
}

/** `kill -9` of the process alone; a function that tells which of its descendants are still there. */
export function killAlone(pid: number): () => string[] {
  readable(() => process.kill(pid, 'SIGSTOP'), true); // so that no child is born unseen
  const family = descendants(pid).map((each) => [each, statOf(each)?.started] as const);
  readable(() => process.kill(pid, 'SIGKILL'), true);
  return () =>
    family.flatMap(([each, started]) => {
      const now = statOf(each);
      if (!now || now.dead || now.started !== started) return [];
      return [
        `${each} ${readable(() => readFileSync(`/proc/${each}/cmdline`, 'utf8'), '').replaceAll('\0', ' ')}`,
      ];
    });
}

/** Waits until nothing is left of what `look` finds; throws it after `ms`. */
export async function gone(look: () => string[], ms = 10_000): Promise<void> {
  let left: string[] = [];
  const isGone = () => {
    left = look();
    return left.length === 0;
  };
  await until('everything is gone', isGone, ms).catch((error: unknown) => {
    throw new Error([String(error), ...left].join('\n'));
  });
}

/** Presence files, staging and partial downloads in the store: names below `leases` and `tmp`. */
export function leftovers(root: string): string[] {
  const below = (name: string) =>
    readable(() => readdirSync(`${root}/${name}`), []).map((each) => `${name}/${each}`);
  return [...below('leases'), ...below('tmp'), ...below('tmp/partial')].filter(
    (name) => name !== 'tmp/partial',
  );
}
