/** R3, F24-F26: many scripts on one store at once, with everything else that people do to a store meanwhile. */
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, inject, test } from 'vitest';
import { Bench, BLD, type Person } from '../helpers/bld.ts';
import { publish, type RawImage, rawImage } from '../helpers/faults.ts';
import { attempt, call, ended, leftovers, start, traces } from '../helpers/processes.ts';
import { TestRegistry } from '../helpers/registry.ts';
import { archive, member } from '../unit/layers/fixtures.ts';

const SCRIPTS = 20;
const PERSONS: readonly Person[] = ['root', 'tester'];

/** One script from base to registry; its standard output is the id of its image. */
const SCRIPT = `set -eu
c=$("$BLD" from --tls-verify=false --quiet "$BASE")
"$BLD" copy --quiet "$c" shared "own-$N" /work/
"$BLD" run "$c" sh -c "cat /work/shared /work/own-$N | sha256sum >/work/sum; cat /base-file >/dev/null"
"$BLD" config --label "n=$N" --cmd "[\\"cat\\",\\"/work/own-$N\\"]" "$c"
"$BLD" commit --quiet "$c" "made-$N"
"$BLD" push --quiet --tls-verify=false "made-$N" "docker://$TO:$N"
"$BLD" rm "$c" >/dev/null
`;

function sha256(...parts: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

/** The blob or manifest of a real registry, its digest looked at. */
async function fetched(url: string, digest?: string): Promise<Buffer> {
  const accept = 'application/vnd.oci.image.manifest.v1+json';
  const answer = await fetch(`http://${url}`, { headers: { accept } });
  expect(answer.status, url).toBe(200);
  const bytes = Buffer.from(await answer.arrayBuffer());
  if (digest !== undefined) expect(`sha256:${sha256(bytes)}`).toBe(digest);
  return bytes;
}

/** Commands that look, and that remove what nobody uses, again and again until told to stop. */
function crowd(bench: Bench) {
  const wishes = [
    ['images', '--all', '--json'],
    ['containers'],
    ['prune'],
    ['inspect', 'extra'],
    ['tag', 'extra', 'extra:again'],
    ['rmi', 'extra:again'],
    ['rmi', '--prune'],
  ];
  let going = true;
  const failures: string[] = [];
  const work = (async () => {
    for (let turn = 0; going; turn++) {
      const args = wishes[turn % wishes.length] ?? [];
      const { code, stderr } = await attempt(bench, args);
      if (code !== 0) failures.push(`bld ${args.join(' ')}: ${code} ${stderr}`);
    }
    return failures;
  })();
  return {
    end: () => {
      going = false;
      return work;
    },
  };
}

describe.each(PERSONS)('as %s', (person) => {
  test.skipIf(inject('registry') === '')(
    `${SCRIPTS} scripts at once: all succeed, all images are right`,
    async () => {
      await using source = await TestRegistry.start();
      using bench = new Bench(person);
      const layers = [archive(member('base-file', randomBytes(3_000_000)))];
      publish(source, rawImage(layers, inject('base')), 'shared-base');
      const shared = randomBytes(100_000);
      writeFileSync(join(bench.directory, 'shared'), shared);
      const own = Array.from({ length: SCRIPTS }, (_, n) => Buffer.from(`own ${n}\n`));
      for (const [n, bytes] of own.entries()) writeFileSync(join(bench.directory, `own-${n}`), bytes);
      bench.run('from', '--name', 'other', inject('base'));
      bench.run('run', 'other', 'touch', '/x');
      bench.run('commit', 'other', 'extra');

      const to = `${inject('registry')}/parallel-${person}`;
      const env = { BLD, BASE: `${source.host}/shared-base`, TO: to };
      const others = crowd(bench);
      const outputs = await Promise.all(
        own.map((_, n) => ended(start(bench, '/bin/sh', ['-c', SCRIPT], { env: { ...env, N: String(n) } }))),
      );
      expect(await others.end()).toEqual([]);
      expect(outputs.filter(({ code }) => code !== 0)).toEqual([]);

      const gets = source.trace().filter((line) => /^GET .*\/blobs\//.test(line));
      expect(new Set(gets).size).toBe(gets.length);
      for (const [n, bytes] of own.entries()) {
        const manifest: RawImage['manifest'] = JSON.parse(
          (await fetched(`${to.replace('/', '/v2/')}/manifests/${n}`)).toString(),
        );
        expect(manifest.config.digest).toBe(`sha256:${outputs[n]?.stdout.trim()}`);
        const blobs = await Promise.all(
          [manifest.config, ...manifest.layers].map(({ digest }) =>
            fetched(`${to.replace('/', '/v2/')}/blobs/${digest}`, digest),
          ),
        );
        const tar = gunzipSync(blobs.at(-1) ?? Buffer.alloc(0)).toString('latin1');
        expect(tar).toContain(sha256(shared, bytes));
        expect(tar).toContain(bytes.toString());
        expect(JSON.parse(String(blobs[0])).config.Labels).toMatchObject({ n: String(n) });
      }
      expect(bench.run('containers', '--format', '{{.ContainerName}}')).toBe('other');
      expect(leftovers(bench.root)).toEqual([]);
      expect(traces([bench.root])).toEqual([]);
    },
  );

  test('commands on one container take their turns', async () => {
    using bench = new Bench(person);
    bench.run('from', '--name', 'c', inject('base'));
    const add = (n: number) => ['run', 'c', 'sh', '-c', `echo ${n} >> /list; cp /list /list-${n}`];
    await Promise.all(Array.from({ length: 8 }, (_, n) => call(bench, add(n))));
    const config = (n: number) => ['config', '--env', `N${n}=${n}`, 'c'];
    const commit = (n: number) => ['commit', '--quiet', 'c', `turn-${n}`];
    await Promise.all(Array.from({ length: 12 }, (_, n) => call(bench, n % 3 === 0 ? commit(n) : config(n))));
    expect(bench.run('run', 'c', 'sh', '-c', 'sort -n /list | tr "\\n" " "; ls /list-* | wc -l')).toBe(
      '0 1 2 3 4 5 6 7 8',
    );
    const env: readonly string[] = JSON.parse(bench.run('inspect', 'c')).OCIv1.config.Env;
    expect(env.filter((item) => /^N\d/.test(item))).toHaveLength(8);
  });

  test('names are given once, whoever asks at the same time', async () => {
    using bench = new Bench(person);
    bench.run('from', inject('base'));
    const names = await Promise.all(Array.from({ length: 10 }, () => call(bench, ['from', inject('base')])));
    expect(new Set(names).size).toBe(10);
    const same = await Promise.all(
      Array.from({ length: 6 }, () => attempt(bench, ['from', '--name', 'one', inject('base')])),
    );
    expect(same.filter(({ code }) => code === 0)).toHaveLength(1);
    expect(same.filter(({ stderr }) => /is already in use by/.test(stderr))).toHaveLength(5);
    await Promise.all(names.map((name) => call(bench, ['rm', name])));
    expect(bench.run('containers', '--quiet').split('\n')).toHaveLength(2);
  });

  test('an image that scripts build on is not taken from under them', async () => {
    using bench = new Bench(person);
    bench.run('from', '--name', 'c', inject('base'));
    bench.run('run', 'c', 'sh', '-c', 'echo base > /base');
    bench.run('commit', '--rm', 'c', 'shaky');
    const removing = (async () => {
      for (let n = 0; n < 6; n++) {
        await attempt(bench, ['rmi', '--force', 'shaky']);
        await attempt(bench, ['prune', '--all', '--force']);
      }
    })();
    const build = async (n: number) => {
      const { code, stdout, stderr } = await attempt(bench, ['from', '--name', `on-${n}`, 'localhost/shaky']);
      if (code !== 0) return expect(stderr).toMatch(/shaky/); // removed before: said so
      const run = await attempt(bench, ['run', stdout.trim(), 'cat', '/base']);
      // a forced removal takes the container as a whole, or it works
      if (run.code === 0) expect(run.stdout).toBe('base\n');
      else expect(run.stderr).toMatch(/container not known/);
    };
    await Promise.all([removing, ...Array.from({ length: 8 }, (_, n) => build(n))]);
    expect(bench.try(['from', inject('base')])).toMatchObject({ code: 0 });
    expect(leftovers(bench.root)).toEqual([]);
  });
});
