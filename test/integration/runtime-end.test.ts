import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makePlace, type Place, startGuest, ways } from './runtime-harness.ts';

const found = await ways();
test.runIf(found.length === 0)('needs root', ({ skip }) => skip('the sandbox is tested as root'));

/** Numbers of the processes whose command line has `word` in it. */
function processesWith(word: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'latin1').includes(word);
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function until(what: () => boolean, limit = 5000): Promise<boolean> {
  for (const end = Date.now() + limit; Date.now() < end; await delay(20)) if (what()) return true;
  return what();
}

/** Children that do not want to end: they ignore TERM, left their parent, made a session of their own. */
const STUBBORN = (seconds: number) =>
  `trap '' TERM INT HUP; (setsid sh -c "trap '' TERM; sleep ${seconds}; sleep ${seconds}" &) ; sleep ${seconds} & touch /tmp/on; wait; sleep ${seconds}`;

describe.each(found)('as %s', (as) => {
  let place: Place;
  let next = 7_000_000 + process.pid * 10;
  const seconds = () => next++;
  beforeAll(async () => {
    place = await makePlace(as);
  });
  afterAll(() => place.dispose());

  /** A guest whose stubborn command is on. */
  async function begin(time: number, script = STUBBORN(time)) {
    const guest = startGuest(place, { argv: ['sh', '-c', script] });
    guest.stdout.resume();
    const on = () => processesWith(`sleep\0${time}`).length > 0;
    expect(await until(on, 15_000)).toBe(true);
    return guest;
  }
  const descendants = (guest: ChildProcess, name: string) => {
    const all = execFileSync('ps', ['-eo', 'pid=,ppid=,args=']).toString().trim().split('\n');
    const rows = all.map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? []);
    const below = new Set([String(guest.pid)]);
    for (let grown = true; grown; ) {
      grown = false;
      for (const [, pid = '', parent = ''] of rows) {
        if (below.has(pid) || !below.has(parent)) continue;
        below.add(pid);
        grown = true;
      }
    }
    return rows
      .filter(([, pid = '', , args = '']) => below.has(pid) && args.includes(name))
      .map(([, pid]) => Number(pid));
  };
  const gone = (time: number) => until(() => processesWith(`sleep\0${time}`).length === 0);

  test('kill -9 of Node leaves no process', async () => {
    const time = seconds();
    const guest = await begin(time);
    for (const pid of descendants(guest, 'runtime-guest')) process.kill(pid, 'SIGKILL');
    expect(await gone(time)).toBe(true);
    expect(await until(() => descendants(guest, 'bld-helper').length === 0)).toBe(true);
  });

  test('kill -9 of the helper leaves no process, and Node says so', async () => {
    const time = seconds();
    const guest = await begin(time);
    let text = '';
    guest.stdout.on('data', (chunk) => {
      text += chunk;
    });
    const [helper] = descendants(guest, 'bld-helper');
    process.kill(helper ?? 0, 'SIGKILL');
    await once(guest, 'close');
    expect(await gone(time)).toBe(true);
    expect(JSON.parse(text).error).toMatchObject({
      code: 'E_RUN',
      message: expect.stringContaining('killed from outside'),
    });
  });

  test('what a command leaves behind ends with it', async () => {
    const time = seconds();
    const guest = await begin(time, `(setsid sh -c "trap '' TERM HUP; sleep ${time}" &); sleep 1`);
    await once(guest, 'close');
    expect(processesWith(`sleep\0${time}`)).toEqual([]);
  });

  test('a second SIGINT is enough', async () => {
    const time = seconds();
    const guest = await begin(time);
    const [helper] = descendants(guest, 'bld-helper');
    process.kill(helper ?? 0, 'SIGINT');
    await delay(300);
    expect(processesWith(`sleep\0${time}`)).not.toEqual([]);
    process.kill(helper ?? 0, 'SIGINT');
    expect(await gone(time)).toBe(true);
    if (guest.exitCode === null) await once(guest, 'close');
  });
});

describe.runIf(found.includes('root'))('without a process namespace of its own', () => {
  test('orphans end too', async () => {
    const place = await makePlace('root');
    const time = 8_000_000 + process.pid;
    const guest = startGuest(place, {
      argv: ['sh', '-c', `(setsid sh -c "trap '' TERM HUP; sleep ${time}" &); exit 3`],
      spec: { pid: { kind: 'host' } },
    });
    let text = '';
    guest.stdout.on('data', (chunk) => {
      text += chunk;
    });
    await once(guest, 'close');
    expect(JSON.parse(text).exitCode).toBe(3);
    expect(processesWith(`sleep\0${time}`)).toEqual([]);
    expect(existsSync(join(place.lower, 'tmp/on'))).toBe(false);
    place.dispose();
  });
});
