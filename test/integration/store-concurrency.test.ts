import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStore } from '../../src/store/store.ts';
import { faultsOf, leftovers } from './store-validate.ts';

const CHILD = join(import.meta.dirname, 'store-child.ts');
let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'bld-stress-'));
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});

function start(rounds: number, seed: number, verbs: string): ChildProcess {
  return spawn(process.execPath, [CHILD, join(base, 'root'), String(rounds), String(seed), verbs], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** What the child said on stderr when it failed, or the empty string. */
async function outcome(child: ChildProcess): Promise<string> {
  const text: string[] = [];
  child.stderr?.on('data', (chunk: Buffer) => text.push(chunk.toString()));
  const [code, signal] = await once(child, 'close');
  return code === 0 || signal === 'SIGKILL' ? '' : `${code} ${signal} ${text.join('')}`;
}

const open = () => openStore({ root: join(base, 'root'), runroot: join(base, 'run'), mode: 'root' });

describe('many processes, one store', () => {
  test('20 processes, any mix of commands: all succeed, the store is whole', async () => {
    const children = Array.from({ length: 20 }, (_, seed) =>
      start(25, seed, 'pull,pull,tag,build,remove,collect'),
    );
    expect((await Promise.all(children.map(outcome))).filter(Boolean)).toEqual([]);
    using store = open();
    expect(faultsOf(store)).toEqual([]);
    expect(leftovers(store)).toEqual([]);
  });

  test('who waits for a stopped process says for which, and takes over when it dies', async () => {
    const child = start(1, 1, 'hold');
    const ended = outcome(child);
    for await (const chunk of child.stdout ?? []) if (String(chunk).includes('holding')) break;
    child.kill('SIGSTOP');
    using store = open();
    expect(store.leases.tryHold('container:x', 'shared')).toBeNull();
    const told = Promise.withResolvers<number>();
    const lease = store.leases.hold('container:x', 'exclusive', { onWait: told.resolve });
    expect(await told.promise).toBe(child.pid);
    child.kill('SIGKILL');
    await ended;
    (await lease)[Symbol.dispose]();
    expect(leftovers(store)).toHaveLength(2); // only our own
  });

  test('kill -9 at random moments: the next command works, and nothing is left', async () => {
    for (let round = 0; round < 10; round++) {
      const children = Array.from({ length: 4 }, (_, n) =>
        start(1000, round * 10 + n, 'pull,pull,tag,build,remove,collect'),
      );
      const outcomes = Promise.all(children.map(outcome));
      await Promise.all(children.map((child) => child.stdout && once(child.stdout, 'data')));
      for (const child of children) {
        await new Promise((done) => setTimeout(done, Math.random() * 40));
        child.kill('SIGKILL');
      }
      expect((await outcomes).filter(Boolean)).toEqual([]);
      using store = open();
      expect(faultsOf(store).filter((fault) => !/^layer|^blobs/.test(fault))).toEqual([]);
      store.collect({ grace: 0 });
      expect(faultsOf(store)).toEqual([]);
      const own = leftovers(store);
      expect(own).toHaveLength(2); // our own presence file and staging directory
    }
    using store = open();
    for (const { id } of store.images.list()) store.images.remove(id, true);
    for (const { id } of store.containers.list()) store.containers.remove(id);
    store.steps.remove(store.steps.list().map(({ key }) => key));
    store.collect({ grace: 0 });
    for (const directory of ['blobs/sha256', 'layers', 'containers', 'records', 'tmp/partial']) {
      expect(readdirSync(join(base, 'root', directory)), directory).toEqual([]);
    }
  });
});
