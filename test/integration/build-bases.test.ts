import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, inject, test } from 'vitest';
import { Bench, PEOPLE } from '../helpers/bld.ts';
import { built, contextOf } from '../helpers/contexts.ts';
import { TestRegistry } from '../helpers/registry.ts';

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

const manifestIn = (registry: TestRegistry, repository: string) =>
  JSON.parse(String(registry.repo(repository).manifests.get('v1')?.bytes)) as Manifest;

const fetched = (registry: TestRegistry, digest: string) =>
  registry.requests.filter(({ method, url }) => method === 'GET' && url.endsWith(digest)).length;

/** A registry with the tests' base image in it, and the digest of that one's layer. */
async function registryWithBase() {
  const registry = await TestRegistry.start();
  using bench = new Bench('root');
  const image = bench.run('pull', '-q', inject('base'));
  await bench.meanwhile(['push', '-q', image, `docker://${registry.host}/team/base:v1`]);
  const [layer] = manifestIn(registry, 'team/base').layers;
  return { registry, base: `${registry.host}/team/base:v1`, layer: layer?.digest ?? '' };
}

describe.each(PEOPLE)('as %s', (person) => {
  test('a base whose files nobody reads stays in its registry', async () => {
    const { registry, base, layer } = await registryWithBase();
    await using _ = registry;
    const file = `FROM ${base}\nCOPY --link file /\nLABEL a=b\n`;
    using whole = new Bench(person);
    const own = contextOf(whole, file, { file: 'content' });
    const id = await built(whole, ['--source-date-epoch', '0', '-t', 'app', own]);
    const before = fetched(registry, layer);

    using bench = new Bench(person);
    const app = `${registry.host}/team/app:v1`;
    expect(await built(bench, ['--source-date-epoch', '0', '-t', `docker://${app}`, own])).toBe(id);
    const made = manifestIn(registry, 'team/app');
    expect(made.config.digest).toBe(`sha256:${id}`);
    expect(made.layers[0]?.digest).toBe(layer);
    expect(fetched(registry, layer)).toBe(before);
    expect(bench.run('images', '-a', '-q')).toBe('');
    expect(readdirSync(join(bench.root, 'blobs/sha256'))).not.toContain(layer.slice(7));

    // as does a name that is pushed: what the store calls so goes, and comes again when it is asked for
    bench.run('tag', bench.run('commit', '-q', bench.run('from', 'scratch')), app);
    expect(await built(bench, ['--source-date-epoch', '0', '-t', app, '--push', own])).toBe(id);
    expect(fetched(registry, layer)).toBe(before);
    expect(bench.run('images', '--format', '{{.Name}}')).not.toContain('team/app');
    const pulled = await bench.meanwhile(['from', '-q', app]);
    expect(pulled.code).toBe(0);
    expect(fetched(registry, layer)).toBe(before + 1);
  });

  test('its layers go from one registry to another without a stop', async () => {
    const { registry, base, layer } = await registryWithBase();
    await using _ = registry;
    await using other = await TestRegistry.start();
    using bench = new Bench(person);
    const context = contextOf(bench, `FROM ${base}\nENV A=b\n`);
    await built(bench, ['-t', `docker://${other.host}/team/app:v1`, context]);
    expect(other.blobs.get(layer)).toEqual(registry.blobs.get(layer));
    expect(manifestIn(other, 'team/app').layers).toEqual(manifestIn(registry, 'team/base').layers);
    expect(fetched(registry, layer)).toBe(1);
    expect(readdirSync(join(bench.root, 'blobs/sha256'))).not.toContain(layer.slice(7));
  });

  test('layers are compressed while the steps that follow are done', async () => {
    await using registry = await TestRegistry.start();
    using bench = new Bench(person);
    const file = `FROM ${inject('base')}\nRUN head -c 3000000 /dev/urandom > /x\nRUN until [ -e /go/on ]; do sleep .1; done\n`;
    const context = contextOf(bench, file);
    const go = bench.mkdir('go');
    bench.ownAll(go);
    let isCompressed = false;
    const build = built(bench, ['-v', `${go}:/go`, '-t', `docker://${registry.host}/team/app:v1`, context]);
    const blobs = join(bench.root, 'blobs/sha256');
    const large = () =>
      existsSync(blobs) && readdirSync(blobs).some((name) => statSync(join(blobs, name)).size > 3e6);
    for (let tries = 0; tries < 600 && !isCompressed; tries++) {
      await setTimeout(50);
      isCompressed = large();
    }
    writeFileSync(join(go, 'on'), '');
    await build;
    expect(isCompressed).toBe(true);
    expect(manifestIn(registry, 'team/app').layers).toHaveLength(2);
  });

  test('a step that reads its files makes it an image of the store', async () => {
    const { registry, base, layer } = await registryWithBase();
    await using _ = registry;
    using bench = new Bench(person);
    const context = contextOf(
      bench,
      `FROM ${base} AS one\nRUN true\nFROM ${base}\nCOPY --from=one /etc/passwd /x/\n`,
    );
    await built(bench, ['-t', `docker://${registry.host}/team/app:v1`, context]);
    expect(fetched(registry, layer)).toBe(1);
    expect(bench.run('images', '--format', '{{.Name}}:{{.Tag}}')).toBe(base);
  });
});
