/** Builds each of examples/dockerfiles on stand-ins for its public bases (examples/stand-ins), twice, and runs it. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { Bench, BLD, PEOPLE } from '../helpers/bld.ts';

const EXAMPLES = resolve(import.meta.dirname, '../../examples');
const NAMES = readdirSync(join(EXAMPLES, 'dockerfiles'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);
const SECRET = 'Hf7xV-not-to-be-found';

interface ImageConfig {
  readonly User?: string;
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Healthcheck?: { readonly Test: readonly string[]; readonly [key: string]: unknown };
}

interface Example {
  readonly flags?: readonly string[];
  /** Of the image. */
  readonly config: ImageConfig & Readonly<Record<string, unknown>>;
  /** What its own command says, and then, where it has one, what its health check says. */
  readonly said: string;
  /** Its command ends by itself. */
  readonly ends?: boolean;
  /** What is fetched by a first build, and found in a cache mount by the build after this file has changed. */
  readonly fetched?: { readonly names: readonly string[]; readonly change: string };
}

const TABLE: Readonly<Record<string, Example>> = {
  'cache-mounts': {
    flags: ['--build-arg', 'PACKAGES=curl git jq'],
    config: {},
    said: 'curl works\ngit works\nno archives',
    fetched: { names: ['Packages', 'curl', 'git'], change: 'Dockerfile' },
  },
  'go-static': {
    flags: ['--build-arg', 'VERSION=1.2.3'],
    config: {
      User: '65532:65532',
      WorkingDir: '/home/nonroot',
      Labels: { 'org.opencontainers.image.version': '1.2.3' },
    },
    said: 'hello from go 1.2.3 on linux/native',
    fetched: { names: ['std-linux-native'], change: 'main.go' },
  },
  greeter: {
    flags: ['--build-arg', 'BASE=docker.io/library/alpine:3.22'],
    config: { User: '1000:1000' },
    said: 'ahoj, world\nciao, world\nhello, world',
  },
  heredocs: {
    config: { User: 'site', StopSignal: 'SIGINT', Shell: ['/bin/sh', '-eu', '-c'] },
    said: 'starting as site: cat index.html robots.txt\n<h1>hello</h1>\nUser-agent: $NOBODY',
  },
  'java-layers': {
    config: {
      User: 'spring:spring',
      ExposedPorts: { '8080/tcp': {} },
      Healthcheck: {
        Test: ['CMD-SHELL', 'test -e app.jar && echo up'],
        Interval: 10e9,
        Timeout: 2e9,
        StartPeriod: 20e9,
        StartInterval: 1e9,
        Retries: 5,
      },
    },
    said: 'hello from java\noptions: -XX:MaxRAMPercentage=75\nup',
    ends: true,
    fetched: { names: ['slf4j-simple'], change: 'src/main/java/org/example/App.java' },
  },
  'multi-arch': { config: { Entrypoint: ['/tool'] }, said: '' },
  'nginx-spa': {
    config: { User: 'nginx', StopSignal: 'SIGQUIT', ExposedPorts: { '80/tcp': {}, '8080/tcp': {} } },
    said: '/docker-entrypoint.sh: Launching /docker-entrypoint.d/40-settings.sh\n<h1>one page</h1>\n{"api": "https://api.example.com"}',
  },
  'node-web': {
    config: { User: 'node', ExposedPorts: { '3000/tcp': {} }, Cmd: ['node', 'src/server.js'] },
    said: 'healthy, as node',
    fetched: { names: ['left-pad'], change: 'package.json' },
  },
  'postgres-initdb': {
    config: { User: 'postgres', Volumes: { '/var/lib/postgresql/data': {} }, StopSignal: 'SIGINT' },
    said: [
      '/usr/local/bin/docker-entrypoint.sh: running /docker-entrypoint-initdb.d/10-schema.sql',
      '/usr/local/bin/docker-entrypoint.sh: running /docker-entrypoint-initdb.d/20-role.sh',
      'accepting connections',
      'CREATE TABLE words (word text PRIMARY KEY);',
      'CREATE ROLE reader LOGIN; GRANT SELECT ON words TO reader; -- in shop',
    ].join('\n'),
  },
  'python-venv': {
    config: { User: 'app', Entrypoint: ['gunicorn'], Cmd: ['app:app', '--bind=0.0.0.0:8000'] },
    said: 'served by gunicorn',
    fetched: { names: ['gunicorn==23.0.0'], change: 'requirements.txt' },
  },
  secrets: {
    flags: ['--secret', 'id=npmrc,src=npmrc', '--secret', 'id=token,env=TOKEN'],
    config: { User: 'app' },
    said: 'signed: yes\nnode_modules/@private/colours',
    fetched: { names: ['@private/colours'], change: 'package-lock.json' },
  },
};

/** The image's own command beside its health check, which must succeed within half a minute; then both end. */
const SERVE = `health=$1; shift
"$@" & for turn in $(seq 300); do sh -c "$health" 2>/dev/null && break; sleep 0.1; done; kill $! || true`;
const THEN = 'health=$1; shift; "$@"; sh -c "$health"';

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** The words to run in a container to see what the image does. */
function commandOf({ Entrypoint = [], Cmd = [], Healthcheck }: ImageConfig, ends = false): readonly string[] {
  const command = [...Entrypoint, ...Cmd];
  const [kind, ...words] = Healthcheck?.Test ?? [];
  if (kind === undefined) return command;
  const health = kind === 'CMD-SHELL' ? (words[0] ?? '') : words.map(quoted).join(' ');
  return ['sh', '-c', ends ? THEN : SERVE, 'sh', health, ...command];
}

/** One example in its own copy of the folder, as one person. */
class Trial {
  readonly context: string;
  readonly #bench: Bench;
  readonly #name: string;

  constructor(bench: Bench, name: string) {
    this.#bench = bench;
    this.#name = name;
    this.context = join(bench.directory, name);
    cpSync(join(EXAMPLES, 'dockerfiles', name), this.context, { recursive: true });
    bench.ownAll(this.context);
  }

  build(...flags: readonly string[]): string {
    const own = TABLE[this.#name]?.flags ?? [];
    const env = { TOKEN: SECRET };
    return this.#bench.runWith({ env }, 'build', ...own, ...flags, '-t', this.#name, this.context);
  }

  /** A change that makes a step miss the cache. */
  change(file: string): void {
    const path = join(this.context, file);
    if (file !== 'Dockerfile') appendFileSync(path, '\n');
    else writeFileSync(path, readFileSync(path, 'utf8').replace('apt-get update', ': again; apt-get update'));
  }

  run(config: ImageConfig, ends?: boolean): string {
    const container = this.#bench.run('from', this.#name);
    const env = ['--env', 'POSTGRES_PASSWORD=x'];
    const said = this.#bench.run('run', '--network=none', ...env, container, ...commandOf(config, ends));
    this.#bench.run('rm', container);
    return said;
  }
}

test('each example has its row', () => {
  expect(NAMES).toEqual(Object.keys(TABLE).sort());
});

describe.each(PEOPLE)('as %s', (person) => {
  const bench = new Bench(person);
  afterAll(() => bench[Symbol.dispose]());
  beforeAll(() => {
    const NODE = resolve(BLD, '../../node_modules/node/bin/node');
    const { code, stderr } = bench.exec(join(EXAMPLES, 'stand-ins/make.sh'), [inject('base')], {
      env: { NODE },
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    writeFileSync(join(bench.directory, 'npmrc'), `//registry.npmjs.org/:_authToken=${SECRET}\n`);
    bench.own(join(bench.directory, 'npmrc'));
  });

  test.each(Object.entries(TABLE))('%s', (name, { config, said, ends, fetched }) => {
    const trial = new Trial(bench, name);
    const first = trial.build();
    for (const one of fetched?.names ?? []) expect(first).toContain(`fetched ${one}\n`);
    const again = trial.build('--require-cached');
    expect(again.split('\n').at(-1)).toBe(first.split('\n').at(-1));

    const made: { readonly config: ImageConfig } = JSON.parse(
      bench.run('inspect', '--type', 'image', '--format', '{{.Config}}', name),
    );
    expect(made.config).toMatchObject(config);
    if (said !== '') expect(trial.run(made.config, ends)).toBe(said);
    if (!fetched) return;
    trial.change(fetched.change);
    const third = trial.build();
    for (const one of fetched.names) {
      expect(third).toContain(`found ${one}\n`);
      expect(third).not.toContain(`fetched ${one}\n`);
    }
  });

  test('a platform of its own for each program', () => {
    const trial = new Trial(bench, 'multi-arch');
    for (const platform of ['linux/arm64', 'linux/arm/v7']) {
      const out = join(bench.directory, platform.replaceAll('/', '-'));
      const said = trial.build('--platform', platform, '--output', out);
      const tool = readFileSync(join(out, 'tool'), 'utf8');
      expect(tool).toContain(`a tool none on linux/${platform.split('/')[1]}`);
      expect(said).not.toContain('emulat');
      const shown = bench.run('inspect', '--type', 'image', '--format', '{{.Config}}', 'multi-arch');
      const [os, architecture, variant] = platform.split('/');
      expect(JSON.parse(shown)).toMatchObject({ os, architecture, ...(variant && { variant }) });
      expect(JSON.parse(shown).config.Labels).toMatchObject({ 'org.example.platform': platform });
    }
  });

  test('tests are a stage of their own, built when it is asked for', () => {
    const said = new Trial(bench, 'node-web').build('--target', 'test');
    expect(said).toMatch(/pass 1\b/);
  });

  test('a secret that is not given stops the build, and one that is given is nowhere afterwards', () => {
    const trial = new Trial(bench, 'secrets');
    const { code, stderr } = bench.try(['build', '--no-cache', trial.context]);
    expect({ code, stderr }).toEqual({
      code: 125,
      stderr: expect.stringContaining('--secret id=npmrc,src=PATH'),
    });
    expect(trial.build('--no-cache')).not.toContain(SECRET);
    bench.run('push', 'secrets', `docker-archive:${join(bench.directory, 'secrets.tar')}`);
    // in what the store holds (layers, records, configs, caches), and in what leaves it
    const places = [bench.root, join(bench.directory, 'secrets.tar')];
    const found = spawnSync('grep', ['-rlaF', SECRET, ...places], { encoding: 'utf8' });
    expect(found).toMatchObject({ status: 1, stdout: '' });
  });
});
