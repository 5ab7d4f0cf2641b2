/** F01-F10, F31: builds that are interrupted, fail or are killed leave nothing; the next one goes on from what had ended. */
import { randomBytes } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, inject, test } from 'vitest';
import { isErrno } from '../../src/base/errors.ts';
import { Bench, PEOPLE, type Person } from '../helpers/bld.ts';
import { attempt, call, ended, gone, killAlone, leftovers, traces, until } from '../helpers/processes.ts';

const KILLS = 40;
const SECRET = 'a secret that stays nowhere';
/** Shown when the test fails: `BLD_TEST_SEED` takes the same moments again. */
const seed = Number(process.env['BLD_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/**
 * Two stages at once and one on top, with all kinds of mounts. Each RUN writes its name to a log in a cache mount before
 * it does anything, and leaves a daemon behind.
 */
const DOCKERFILE = `FROM BASE AS left
ARG ROUND
COPY files /files
RUN LOG left-1 && cat /files/* | sha256sum >/left && sleep 0.05
RUN --mount=type=secret,id=token LOG left-2 && cat /run/secrets/token | wc -c >>/left && sleep 0.05
COPY files/file-1 /more/
RUN --mount=type=tmpfs,target=/t LOG left-3 && cp /left /t/x && sleep 0.05

FROM BASE AS right
ARG ROUND
WORKDIR /right
RUN --mount=type=bind,target=/ctx,rw LOG right-1 && echo x >/ctx/new && cat /ctx/files/* | sha256sum >sum && sleep 0.05
RUN --mount=type=secret,id=token,env=TOKEN LOG right-2 && test -n "$TOKEN" && seq 1000 | xargs touch && sleep 0.05

FROM BASE
ARG ROUND
COPY --from=left /left /
COPY --from=right /right /right
RUN --mount=type=bind,from=left,source=/more,target=/more LOG last-1 && cat /left /right/sum >/both && ls /more >>/both
RUN LOG last-2 && echo $ROUND >>/both
`;

function contextOf(bench: Bench, dockerfile: string): string {
  const context = bench.mkdir('context');
  bench.mkdir('context/files');
  for (let n = 0; n < 40; n++) {
    writeFileSync(join(context, 'files', `file-${n}`), randomBytes(n === 0 ? 3_000_000 : 3000));
  }
  writeFileSync(join(context, 'Dockerfile'), dockerfile.replaceAll('BASE', inject('base')));
  writeFileSync(join(bench.directory, 'token'), SECRET);
  bench.ownAll(bench.directory);
  return context;
}

/** What the RUNs have written to their log. */
function logOf(bench: Bench): string[] {
  const caches = join(bench.root, 'cache-mounts');
  try {
    const names = readdirSync(caches).filter((name) => !name.endsWith('.json'));
    return names.flatMap((name) =>
      readFileSync(join(caches, name, 'log'), 'utf8')
        .trim()
        .split('\n'),
    );
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** What a build of any end must have taken with it, once a command has looked at the store after it. */
async function expectNothingLeft(bench: Bench): Promise<void> {
  await gone(() => traces([bench.root]));
  expect(await call(bench, ['containers', '--all', '--quiet'])).toBe('');
  expect(readdirSync(join(bench.root, 'containers'))).toEqual([]);
  expect(leftovers(bench.root)).toEqual([]);
}

function* random(from: number): Generator<number, never> {
  for (let state = from; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** One person's builds, each of them killed once on the way. */
class Victim implements Disposable {
  kills = 0;
  /** Steps that had ended when a build was killed, and that the next did not have to do again. */
  kept = 0;
  readonly #bench: Bench;
  readonly #context: string;
  readonly #mark: string;
  readonly #moments: Generator<number, never>;
  #duration = Number.POSITIVE_INFINITY;
  #round = 0;

  constructor(person: Person) {
    this.#bench = new Bench(person);
    this.#mark = `1000.${process.pid}${seed}${person.length}`;
    const log = `--mount=type=cache,target=/log setsid sleep ${this.#mark} & echo "$ROUND`;
    const lines = DOCKERFILE.replace(
      /^RUN (.*)LOG (\S+) && /gm,
      (_, flags: string, name: string) => `RUN ${flags}${log} ${name}" >>/log/log && `,
    );
    this.#context = contextOf(this.#bench, lines);
    this.#moments = random(seed + person.length);
  }

  [Symbol.dispose](): void {
    this.#bench[Symbol.dispose]();
  }

  get #words(): readonly string[] {
    const flags = ['--secret', 'id=token,src=token', '--jobs', '2', '--build-arg', `ROUND=${this.#round}`];
    return ['build', ...flags, '-t', `made:${this.#round}`, this.#context];
  }

  async round(): Promise<void> {
    const bench = this.#bench;
    this.#round++;
    let before: string[] = [];
    if (Number.isFinite(this.#duration)) {
      const child = bench.start(this.#words);
      const output = ended(child);
      await sleep(this.#duration * (0.1 + 0.9 * this.#moments.next().value));
      const family = killAlone(child.pid ?? 0);
      if ((await output).signal === 'SIGKILL') this.kills++;
      await gone(() => [...family(), ...traces([bench.root, this.#mark])]);
      before = logOf(bench);
    }
    const start = performance.now();
    const { code, stderr } = await attempt(bench, this.#words);
    expect({ person: bench.person, round: this.#round, code, stderr }).toMatchObject({ code: 0 });
    this.#duration = Math.min(this.#duration, performance.now() - start);
    this.#expectReplay(before);
    expect(traces([bench.root, this.#mark])).toEqual([]);
    expect(leftovers(bench.root)).toEqual([]);
    expect(readdirSync(join(bench.root, 'containers'))).toEqual([]);
    const container = await call(bench, ['from', `made:${this.#round}`]);
    const both = await call(bench, ['run', container, 'cat', '/both']);
    const [left, length, right, ...rest] = both.split('\n');
    expect([left, length, ...rest]).toEqual([right, String(SECRET.length), 'file-1', String(this.#round)]);
    await call(bench, ['rm', container]);
  }

  /** A RUN had ended when the next of its stage had begun: then the second build took it from the cache. */
  #expectReplay(before: readonly string[]): void {
    const own = (lines: readonly string[]) => lines.filter((line) => line.startsWith(`${this.#round} `));
    const again = own(logOf(this.#bench).slice(before.length));
    const first = own(before);
    for (const line of first) {
      const [, stage, number] = /^\d+ (\w+)-(\d)$/.exec(line) ?? [];
      const next = `${this.#round} ${stage}-${Number(number) + 1}`;
      if (!first.includes(next)) continue;
      expect(again).not.toContain(line);
      this.kept++;
    }
    // and nothing is left out
    expect(new Set([...first, ...again]).size).toBe(7);
  }

  /** Nothing lies in the store that cannot be removed, and no secret. */
  async end(): Promise<void> {
    await expectNothingLeft(this.#bench);
    const { stdout } = this.#bench.exec('grep', ['-rlaF', SECRET, this.#bench.root]);
    expect(stdout).toBe('');
    await call(this.#bench, ['rmi', '--all', '--force']);
  }
}

test(`kill -9 at ${KILLS} moments (seed ${seed})`, async () => {
  const victims = PEOPLE.map((person) => new Victim(person));
  const sum = (of: 'kills' | 'kept') => victims.reduce((all, victim) => all + victim[of], 0);
  try {
    await Promise.all(
      victims.map(async (victim) => {
        await victim.round(); // undisturbed
        while (sum('kills') < KILLS) await victim.round();
        await victim.end();
      }),
    );
    expect(sum('kept')).toBeGreaterThan(0);
  } finally {
    for (const victim of victims) victim[Symbol.dispose]();
  }
});

interface Phase {
  readonly dockerfile: string;
  /** True when the build is in the middle of it. */
  readonly reached: (bench: Bench, said: string) => boolean;
  /** All, where not given. */
  readonly signals?: readonly (keyof typeof CODES)[];
}

const SLEEPER = 'sleep 1000.41';
const PHASES: Readonly<Record<string, Phase>> = {
  'a RUN': {
    dockerfile: `FROM BASE\nRUN echo kept >/kept\nRUN --mount=type=secret,id=token --mount=type=cache,target=/c echo rea""dy && ${SLEEPER}\n`,
    reached: (_, said) => said.includes('\nready'),
  },
  'two RUNs that ignore signals': {
    dockerfile: ['a', 'b']
      .map(
        (name) =>
          `FROM BASE AS ${name}\nRUN trap "" INT TERM HUP; echo rea""dy-${name}; while :; do ${SLEEPER}; done\n`,
      )
      .join('')
      .concat('FROM BASE\nCOPY --from=a / /a\nCOPY --from=b / /b\n'),
    reached: (_, said) => said.includes('ready-a') && said.includes('ready-b'),
    signals: ['SIGTERM'], // ten seconds go by until what does not listen is killed
  },
  'a COPY': {
    dockerfile: 'FROM BASE\nRUN echo kept >/kept\nCOPY files /files\n',
    reached: (bench) => traces([join(bench.directory, 'context/files/hole')]).length > 0,
  },
};
const CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
const SIGNALS = Object.keys(CODES) as (keyof typeof CODES)[];

async function buildUntil(bench: Bench, context: string, phase: Phase) {
  const child = bench.start(['build', '--jobs', '2', '--secret', 'id=token,src=token', context]);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk));
  const output = ended(child);
  await until('the phase', () => {
    if (child.exitCode !== null) throw new Error(`ended early: ${said}`);
    return phase.reached(bench, said);
  });
  return { child, output };
}

describe.each(PEOPLE)('as %s', (person) => {
  test.for(Object.entries(PHASES))(
    '%s: each signal ends the build, nothing is left',
    async ([name, phase]) => {
      using bench = new Bench(person);
      const context = contextOf(bench, phase.dockerfile);
      if (name === 'a COPY') {
        const fd = openSync(join(context, 'files/hole'), 'w');
        ftruncateSync(fd, 32 * 2 ** 30); // takes long to read, and no space
        closeSync(fd);
        bench.ownAll(context);
      }
      for (const signal of phase.signals ?? SIGNALS) {
        const { child, output } = await buildUntil(bench, context, phase);
        child.kill(signal);
        expect({ by: signal, ...(await output) }).toMatchObject({ by: signal, code: CODES[signal] });
        await gone(() => traces([bench.root, SLEEPER]));
        await expectNothingLeft(bench);
      }
      const { child, output } = await buildUntil(bench, context, phase);
      const family = killAlone(child.pid ?? 0);
      await output;
      await gone(() => [...family(), ...traces([bench.root, SLEEPER])]);
      await expectNothingLeft(bench);
    },
  );

  test('a stage that fails ends the others, and nothing is left', async () => {
    using bench = new Bench(person);
    const context = contextOf(
      bench,
      `FROM BASE AS slow\nRUN --mount=type=cache,target=/c touch /c/started; ${SLEEPER}\nFROM BASE AS bad\nRUN echo done >/done\nRUN --mount=type=cache,target=/c until test -e /c/started; do sleep 0.01; done; exit 7\nFROM BASE\nCOPY --from=slow / /a\nCOPY --from=bad / /b\n`,
    );
    const build = (...flags: readonly string[]) =>
      attempt(bench, ['build', '--jobs', '2', ...flags, context]);
    const { code, stderr } = await build();
    expect({ code, stderr }).toMatchObject({ code: 7 });
    expect(stderr).toContain('Dockerfile:5');
    await gone(() => traces([bench.root, SLEEPER]));
    await expectNothingLeft(bench);
    // what had ended is taken from the cache, and the next build does the rest
    const mended = readFileSync(join(context, 'Dockerfile'), 'utf8')
      .replace(SLEEPER, 'true')
      .replace('exit 7', 'true');
    writeFileSync(join(context, 'Dockerfile'), mended);
    const missing = await build('--require-cached', '--target', 'bad');
    expect(missing.code).toBe(125);
    expect(missing.stderr).toContain('Dockerfile:5');
    expect(await build()).toMatchObject({ code: 0 });
    await expectNothingLeft(bench);
  });
});
