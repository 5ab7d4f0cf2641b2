/** F31, F32, F09, R7: what signals and closed pipes do at each phase; nothing stays behind. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { Bench, BLD, type Person, script } from '../helpers/bld.ts';
import { publish, rawImage } from '../helpers/faults.ts';
import { attempt, ended, gone, killAlone, leftovers, traces, until } from '../helpers/processes.ts';
import { TestRegistry } from '../helpers/registry.ts';
import { archive, member } from '../unit/layers/fixtures.ts';

const CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
const SIGNALS = Object.keys(CODES) as (keyof typeof CODES)[];
const PERSONS: readonly Person[] = ['root', 'tester'];
/** Ten seconds are promised; the rest is for a busy machine. */
const PROMISED = 14_000;

let registry: TestRegistry;
beforeAll(async () => {
  registry = await TestRegistry.start();
});
afterAll(() => registry[Symbol.asyncDispose]());

/** A bench with a container `c` that has something to commit, and the image `i`. */
function prepared(person: Person): Bench {
  const bench = new Bench(person);
  bench.run('from', '--name', 'c', inject('base'));
  bench.run('run', 'c', 'sh', '-c', 'echo kept > /kept');
  bench.run('commit', 'c', 'i');
  return bench;
}

interface Phase {
  readonly args: readonly string[];
  /** Resolves when the command is in the middle of it. */
  readonly reached: (child: ReturnType<Bench['start']>) => Promise<unknown>;
}

function asked(pattern: RegExp): () => Promise<unknown> {
  const before = registry.requests.length;
  const isThere = () =>
    registry.requests.slice(before).some(({ method, url }) => pattern.test(`${method} ${url}`));
  return () => until(`the request ${pattern}`, isThere);
}

/** A file that takes long to read, and no space: a hole. */
const HOLE = 32 * 2 ** 30;

const PHASES: Readonly<Record<string, (bench: Bench) => Phase>> = {
  pull: () => {
    publish(registry, rawImage([archive(member('f', randomBytes(300_000)))]), 'stalls');
    registry.rules.add({ method: 'GET', path: /blobs/, stallAfter: 100_000, times: 1 });
    const args = ['pull', '--tls-verify=false', `${registry.host}/stalls`];
    return { args, reached: asked(/^GET .*blobs/) };
  },
  push: () => {
    registry.rules.add({ method: 'POST', path: /uploads/, delayMs: 60_000, times: 9 });
    const args = ['push', '--tls-verify=false', 'i', `docker://${registry.host}/pushed:1`];
    return { args, reached: asked(/^POST .*uploads/) };
  },
  copy: (bench) => {
    const directory = bench.mkdir('large');
    const fd = openSync(join(directory, 'hole'), 'w');
    ftruncateSync(fd, HOLE);
    closeSync(fd);
    const copied = () => traces([join(directory, 'hole')]).length > 0;
    return { args: ['copy', 'c', directory, '/large'], reached: () => until('the copying', copied) };
  },
  commit: (bench) => {
    bench.run('run', 'c', 'truncate', '-s', String(HOLE), '/hole');
    return { args: ['commit', 'c', 'other'], reached: () => until('the packing', () => works(bench)) };
  },
  run: () => {
    const args = ['run', 'c', 'sh', '-c', 'echo ready; sleep 1000.31'];
    return { args, reached: ready };
  },
  'run of what ignores signals': () => {
    const stubborn = 'trap "" INT TERM HUP; echo ready; while :; do sleep 0.1; done';
    return { args: ['run', 'c', 'sh', '-c', stubborn], reached: ready };
  },
};

/** A process of the bench has used so much of a processor that it is at work. */
function works(bench: Bench): boolean {
  return traces([bench.root]).some((line) => {
    const stat = readFileSync(`/proc/${line.split(' ')[0]}/stat`, 'latin1').split(' ');
    return Number(stat[13]) + Number(stat[14]) > 60; // hundredths of a second
  });
}

function ready(child: ReturnType<Bench['start']>): Promise<unknown> {
  return new Promise((resolve) => child.stdout.once('data', resolve));
}

async function interrupt(bench: Bench, phase: Phase, signals: readonly NodeJS.Signals[]) {
  const child = bench.start(phase.args);
  const output = ended(child);
  const early = output.then(({ code, stderr }) => {
    throw new Error(`bld ${phase.args.join(' ')} ended early: ${code}\n${stderr}`);
  });
  await Promise.race([phase.reached(child), early]);
  early.catch(() => {});
  const start = performance.now();
  for (const [at, signal] of signals.entries()) {
    if (at > 0) await sleep(300); // the same signal twice at once is one
    child.kill(signal);
  }
  const { code, stderr } = await output;
  return { code, stderr, ms: performance.now() - start };
}

describe.each(PERSONS)('as %s', (person) => {
  test.for(Object.keys(PHASES))('%s: each signal ends it, the store works, nothing is left', async (name) => {
    using bench = prepared(person);
    const phase = PHASES[name]?.(bench);
    if (!phase) throw new Error(name);
    const signals = name.endsWith('signals') ? (['SIGTERM'] as const) : SIGNALS;
    for (const signal of signals) {
      const again = PHASES[name]?.(bench) ?? phase;
      const { code, stderr, ms } = await interrupt(bench, again, [signal]);
      expect({ signal, code, stderr }).toMatchObject({ code: CODES[signal] });
      if (name !== 'run of what ignores signals') expect(stderr).toMatch(`interrupted by ${signal}`);
      expect(ms).toBeLessThan(PROMISED);
      await gone(() => traces([bench.root]), PROMISED);
      registry.rules.clear();
      expect(bench.run('run', 'c', 'cat', '/kept')).toBe('kept');
      expect(leftovers(bench.root).filter((path) => !path.startsWith('tmp/partial'))).toEqual([]);
    }
  });

  test('a second signal ends it at once', async () => {
    using bench = prepared(person);
    const phase = PHASES['run of what ignores signals']?.(bench);
    if (!phase) throw new Error('no phase');
    const { code, ms } = await interrupt(bench, phase, ['SIGINT', 'SIGINT']);
    expect(code).toBe(130);
    expect(ms).toBeLessThan(5000);
    await gone(() => traces([bench.root]));
    expect(bench.run('run', 'c', 'cat', '/kept')).toBe('kept');
    expect(leftovers(bench.root)).toEqual([]);
  });

  test('a closed pipe is no crash loop, and no endless output', () => {
    using bench = prepared(person);
    const pipes = (text: string) => script(bench, text, { timeoutMs: 30_000 });
    const yes = pipes(`{ bld run c yes || echo "code $?" >&2; } | head -1`);
    expect(yes).toMatchObject({ code: 0, stdout: 'y\n' });
    expect(yes.stderr).toMatch(/code 141/);
    const own = pipes(`{ bld images || echo "code $?" >&2; } | true`);
    expect(own.stderr).toMatch(/^(code 141\n)?$/);
    const both = bench.exec('/bin/sh', [
      '-c',
      `{ ${BLD} run c yes 2>&1; echo "code $?" >&3; } 3>code | head -1`,
    ]);
    expect(both).toMatchObject({ code: 0 });
    expect(bench.exec('cat', ['code']).stdout).toBe('code 141\n');
  });

  test('much output, and a line without an end, pass through', async () => {
    using bench = prepared(person);
    const flood = 'dd if=/dev/zero bs=1048576 count=200 2>/dev/null | tr "\\\\0" x';
    const { stdout, code } = bench.exec('/bin/sh', ['-c', `${BLD} run c sh -c '${flood}' | wc -c`]);
    expect({ stdout: stdout.trim(), code }).toEqual({ stdout: String(200 << 20), code: 0 });
  });

  test('a daemon that a command leaves ends with it', async () => {
    using bench = prepared(person);
    const daemon =
      'setsid sh -c "trap \\"\\" HUP TERM; while :; do echo x >> /late; sleep 1000.32; done" & echo ok';
    expect(bench.run('run', 'c', 'sh', '-c', daemon)).toBe('ok');
    expect(traces(['1000.32'])).toEqual([]);
  });

  test('kill -9 of the helper alone is told, and nothing is left', async () => {
    using bench = prepared(person);
    const child = bench.start(['run', 'c', 'sh', '-c', 'echo ready; sleep 1000.33']);
    const output = ended(child);
    await ready(child);
    const helper = Number(
      spawnSync('pgrep', ['-P', String(child.pid), '-f', 'bld-helper'], { encoding: 'utf8' }).stdout.split(
        '\n',
      )[0],
    );
    const family = killAlone(helper);
    expect(await output).toMatchObject({ code: 125 });
    expect((await output).stderr).toMatch(/killed from outside/);
    await gone(() => [...family(), ...traces([bench.root, '1000.33'])]);
    expect(bench.run('run', 'c', 'cat', '/kept')).toBe('kept');
  });

  test('who waits for a container says for whom, and can be interrupted', async () => {
    using bench = prepared(person);
    const holder = bench.start(['run', 'c', 'sh', '-c', 'echo ready; sleep 1000.34']);
    const held = ended(holder);
    await ready(holder);
    const waiter = bench.start(['run', 'c', 'true']);
    const waited = ended(waiter);
    let told = '';
    waiter.stderr.on('data', (chunk: string) => (told += chunk));
    await until('the message', () => told.includes(`waiting for process ${holder.pid}`));
    const start = performance.now();
    waiter.kill('SIGINT');
    expect(await waited).toMatchObject({ code: 130 });
    expect(performance.now() - start).toBeLessThan(5000);
    holder.kill('SIGTERM');
    expect(await held).toMatchObject({ code: 143 });
    expect(await attempt(bench, ['run', 'c', 'true'])).toMatchObject({ code: 0 });
  });
});

test('signals before anything happens, and while nothing does', async () => {
  using bench = new Bench('root');
  writeFileSync(join(bench.directory, 'Containerfile'), 'FROM scratch\n');
  for (const signal of SIGNALS) {
    const child = bench.start(['images']);
    const output = ended(child);
    child.kill(signal);
    const { code, signal: by } = await output;
    expect(by === signal || code === CODES[signal] || code === 0).toBe(true);
  }
  expect(bench.try(['images'])).toMatchObject({ code: 0 });
});
