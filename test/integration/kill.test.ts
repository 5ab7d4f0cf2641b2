/** F01-F10: `kill -9` at random moments of pull, copy, run, commit and push; then the same command succeeds. */
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { Bench, PEOPLE, type Person } from '../helpers/bld.ts';
import { publish, type RawImage, rawImage } from '../helpers/faults.ts';
import { attempt, call, ended, gone, killAlone, leftovers, traces } from '../helpers/processes.ts';
import { TestRegistry } from '../helpers/registry.ts';
import { validateLayout, validateStored } from '../helpers/validate.ts';
import { archive, member } from '../unit/layers/fixtures.ts';

const KILLS = 100;
type Command = 'pull' | 'copy' | 'run' | 'commit' | 'push';

interface Aftermath {
  /** Of processes that must be gone, besides those of the store. */
  readonly marks?: readonly string[];
  readonly check?: () => Promise<void> | void;
}

interface Listed {
  readonly names: readonly string[] | null;
  readonly digest: string;
}

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
/** Shown when the test fails: `BLD_TEST_SEED` takes the same moments again. */
const seed = Number(process.env['BLD_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/** Numbers from 0 to 1 that follow from the seed. */
function* random(from: number): Generator<number, never> {
  for (let state = from; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

let registry: TestRegistry;
beforeAll(async () => {
  registry = await TestRegistry.start();
});
afterAll(() => registry[Symbol.asyncDispose]());

/** One person's script, done again and again, each of its commands killed once on the way. */
class Victim implements Disposable {
  kills = 0;
  readonly #bench: Bench;
  readonly #moments: Generator<number, never>;
  /** Milliseconds that a command takes undisturbed: the least seen. */
  readonly #durations = new Map<Command, number>();
  /** What an image must hold in the end. */
  readonly #files = new Map<string, Buffer>();
  readonly #context: string;
  readonly #sum: string;
  #round = 0;

  constructor(person: Person) {
    this.#bench = new Bench(person);
    this.#moments = random(seed + person.length);
    this.#context = this.#bench.mkdir('context');
    const sum = createHash('sha256');
    for (let n = 100; n < 300; n++) {
      const bytes = randomBytes(n % 50 === 0 ? 400_000 : 500);
      writeFileSync(join(this.#context, `file-${n}`), bytes);
      this.#files.set(`copied/file-${n}`, bytes);
      sum.update(bytes);
    }
    this.#sum = sum.digest('hex');
    this.#bench.ownAll(this.#context);
  }

  [Symbol.dispose](): void {
    this.#bench[Symbol.dispose]();
  }

  /** The command killed at a random moment, then the same once more, which must do; its standard output. */
  async #survive(command: Command, args: readonly string[], { marks = [], check }: Aftermath = {}) {
    const bench = this.#bench;
    const env = { BLD_CACHE: String(this.#round % 2) };
    const expected = this.#durations.get(command);
    if (expected !== undefined) {
      const child = bench.start(args, { env });
      const output = ended(child);
      await sleep(expected * (0.2 + 0.8 * this.#moments.next().value));
      const family = killAlone(child.pid ?? 0);
      if ((await output).signal === 'SIGKILL') this.kills++;
      await gone(() => [...family(), ...traces([bench.root, ...marks])]);
      await check?.();
    }
    const start = performance.now();
    const { code, stdout, stderr } = await attempt(bench, args, { env });
    expect({ person: bench.person, args, code, stderr }).toMatchObject({ code: 0 });
    this.#durations.set(command, Math.min(expected ?? Infinity, performance.now() - start));
    expect({ args, stderr, left: leftovers(bench.root) }).toMatchObject({ left: [] });
    return stdout.trim();
  }

  /** The image of the store is not there, or whole. */
  async #isWhole(name: string): Promise<void> {
    const bench = this.#bench;
    const images: readonly Listed[] = JSON.parse(await call(bench, ['images', '--all', '--json']));
    const found = images.find(({ names }) => names?.some((each) => each.includes(name)));
    if (found?.digest) validateStored(bench.root, found.digest, OCI_MANIFEST);
    else if (found) await this.#validate(name, `half-${this.#round}`);
  }

  /** Every byte of the image is read again, and all files that were put into it are there. */
  async #validate(name: string, layout: string): Promise<void> {
    const directory = join(this.#bench.directory, layout);
    await call(this.#bench, ['push', name, `oci:${directory}:${name}`]);
    const entries = validateLayout(directory).flatMap(({ layers }) => layers.flat());
    const found = new Map(entries.map((entry) => [entry.name, entry.data]));
    expect([...this.#files].filter(([file, bytes]) => !found.get(file)?.equals(bytes))).toEqual([]);
  }

  /** The image of the registry is not there, or whole. */
  #isWholeThere(name: string): boolean {
    const { blobs, manifests } = registry.repo(name);
    const manifest = manifests.get('pushed');
    if (!manifest) return false;
    const { config, layers }: RawImage['manifest'] = JSON.parse(manifest.bytes.toString());
    expect([config, ...layers].filter(({ digest }) => !blobs.has(digest))).toEqual([]);
    return true;
  }

  /** A base of its own each time, so that each pull pulls and each copy unpacks. */
  #publish(name: string): void {
    const bytes = randomBytes(600_000);
    this.#files.set('base-file', bytes);
    const layers = [archive(member('base-file', bytes)), archive(member('other', randomBytes(600_000)))];
    publish(registry, rawImage(layers, inject('base')), name, 'base');
  }

  async round(): Promise<void> {
    const bench = this.#bench;
    const n = this.#round++;
    const name = `${bench.person}-${n}`;
    const [container, image] = [`container-${name}`, `image-${name}`];
    this.#publish(name);
    const base = `${registry.host}/${name}:base`;
    await this.#survive('pull', ['pull', '--tls-verify=false', base], {
      check: () => this.#isWhole(`${name}:base`),
    });
    await call(bench, ['from', '--name', container, base]);
    await this.#survive('copy', ['copy', container, this.#context, '/copied']);
    const mark = `1000.${process.pid}${seed}${n}${bench.person.length}`;
    const work = `setsid sleep ${mark} & cat /copied/* | sha256sum; echo made >> /made`;
    const ran = await this.#survive('run', ['run', container, 'sh', '-c', work], { marks: [mark] });
    expect(ran).toContain(this.#sum);
    await this.#survive('commit', ['commit', container, image], { check: () => this.#isWhole(image) });
    await this.#validate(image, `layout-${n}`);
    const check = 'cat /copied/* | sha256sum; cat /made';
    expect(await call(bench, ['run', container, 'sh', '-c', check])).toMatch(`${this.#sum}  -\nmade`);
    const target = `docker://${registry.host}/${name}:pushed`;
    await this.#survive('push', ['push', '--tls-verify=false', image, target], {
      check: () => void this.#isWholeThere(name),
    });
    expect(this.#isWholeThere(name)).toBe(true);
  }

  /** Nothing lies in the store that cannot be removed. */
  async end(): Promise<void> {
    const bench = this.#bench;
    await call(bench, ['rm', '--all']);
    await call(bench, ['rmi', '--all', '--force']);
    expect(readdirSync(join(bench.root, 'containers'))).toEqual([]);
  }
}

test(`kill -9 at ${KILLS} moments (seed ${seed})`, async () => {
  const victims = PEOPLE.map((person) => new Victim(person));
  const kills = () => victims.reduce((sum, victim) => sum + victim.kills, 0);
  try {
    await Promise.all(
      victims.map(async (victim) => {
        await victim.round(); // undisturbed
        while (kills() < KILLS) await victim.round();
        await victim.end();
      }),
    );
  } finally {
    for (const victim of victims) victim[Symbol.dispose]();
  }
});
