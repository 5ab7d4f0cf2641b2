import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { Bench, PEOPLE } from '../helpers/bld.ts';
import { validateLayout } from '../helpers/validate.ts';

const REGISTRY = inject('registry');

/** Images of these architectures, by their names; each has a file of its own. */
function makeImages(bench: Bench, ...architectures: readonly string[]): void {
  for (const architecture of architectures) {
    const container = bench.run('from', 'scratch');
    bench.run('config', '--arch', architecture, container);
    bench.run('commit', '--rm', container, architecture);
  }
}

interface List {
  readonly mediaType: string;
  readonly manifests: readonly {
    readonly digest: string;
    readonly platform: Readonly<Record<string, unknown>>;
    readonly annotations?: Readonly<Record<string, string>>;
  }[];
  readonly annotations?: Readonly<Record<string, string>>;
}

function inspect(bench: Bench, name: string): List {
  return JSON.parse(bench.run('manifest', 'inspect', name));
}

const architectures = (list: List) => list.manifests.map(({ platform }) => platform['architecture']);

describe.each(PEOPLE)('manifest lists as %s', (person) => {
  test('are made, filled, described, emptied and removed', () => {
    using bench = new Bench(person);
    makeImages(bench, 'amd64', 'arm64');
    expect(bench.try(['manifest', 'exists', 'app'])).toMatchObject({ code: 1, stdout: '', stderr: '' });
    const id = bench.run('manifest', 'create', 'app');
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(bench.run('manifest', 'exists', 'app')).toBe('');
    expect(inspect(bench, 'app').mediaType).toBe('application/vnd.docker.distribution.manifest.list.v2+json');
    const twice = bench.try(['manifest', 'create', 'app']);
    expect([twice.code, twice.stderr]).toEqual([125, expect.stringContaining('already in use')]);
    expect(bench.run('manifest', 'create', '--amend', 'app', 'amd64')).toBe(id);

    // the id that create has printed goes on naming the list
    const flags = ['--variant', 'v9', '--annotation', 'a=b', '--os-version', '1.2'];
    const added = bench.run('manifest', 'add', ...flags, id, 'arm64');
    expect(added).toMatch(new RegExp(`^${id}: sha256:[0-9a-f]{64}$`));
    const list = inspect(bench, 'app');
    expect(list.mediaType).toBe('application/vnd.oci.image.index.v1+json');
    expect(list.manifests).toMatchObject([
      { platform: { architecture: 'amd64', os: 'linux' } },
      {
        platform: { architecture: 'arm64', os: 'linux', variant: 'v9', 'os.version': '1.2' },
        annotations: { a: 'b' },
      },
    ]);
    const [digest = ''] = list.manifests.map((entry) => entry.digest);
    expect(bench.run('manifest', 'annotate', '--arch', 'riscv64', 'app', digest)).toBe(`${id}: ${digest}`);
    bench.run('manifest', 'annotate', '--index', '--annotation', 'x=y', 'app');
    expect(inspect(bench, id)).toMatchObject({ annotations: { x: 'y' } });
    expect(architectures(inspect(bench, 'app'))).toEqual(['riscv64', 'arm64']);

    bench.run('tag', 'app', 'app:other');
    bench.run('manifest', 'remove', 'app', digest);
    expect(architectures(inspect(bench, 'app'))).toEqual(['arm64']);
    expect(architectures(inspect(bench, 'app:other'))).toEqual(['riscv64', 'arm64']);
    const missing = bench.try(['manifest', 'remove', 'app', digest]);
    expect([missing.code, missing.stderr]).toEqual([125, expect.stringContaining('is not in the list')]);
    expect(bench.run('manifest', 'rm', 'app')).toBe(`untagged: localhost/app:latest\n${id}`);
    bench.run('rmi', 'app:other');
    expect(bench.run('images', '-q').split('\n')).toHaveLength(2);
  });

  test('an image in a list stays until the list goes', () => {
    using bench = new Bench(person);
    makeImages(bench, 'amd64', 'arm64');
    bench.run('manifest', 'create', 'app', 'amd64', 'arm64');
    bench.run('untag', 'amd64');
    bench.run('rmi', '--prune');
    bench.run('prune');
    bench.run('push', 'app', `oci:${join(bench.directory, 'layout')}`);
    expect(validateLayout(join(bench.directory, 'layout'))).toHaveLength(2);
    const refused = bench.try(['rmi', 'arm64']);
    expect(refused.stderr).toContain('stands in the manifest list localhost/app:latest');
    bench.run('rmi', '--all');
    expect(bench.run('images', '-aq')).toBe('');
  });

  test('jobs that add to one list at once lose nothing', async () => {
    using bench = new Bench(person);
    const names = ['amd64', 'arm64', 's390x', 'ppc64le', 'riscv64'];
    makeImages(bench, ...names);
    bench.run('manifest', 'create', 'app');
    const ends = names.map((name) => {
      const child = bench.start(['manifest', 'add', 'app', name]);
      return new Promise((resolve) => child.on('close', resolve));
    });
    expect(await Promise.all(ends)).toEqual(names.map(() => 0));
    expect(architectures(inspect(bench, 'app')).sort()).toEqual([...names].sort());
  });

  test.runIf(REGISTRY)('go to a registry and come from it', () => {
    using bench = new Bench(person);
    makeImages(bench, 'amd64', 'arm64');
    bench.run('manifest', 'create', 'app', 'amd64', 'arm64');
    const flags = ['--tls-verify=false'];
    const name = `${REGISTRY}/lists/${person}`;
    const file = join(bench.directory, 'digest');
    bench.run('manifest', 'push', ...flags, '--digestfile', file, 'app', `${name}:1`);
    bench.run('manifest', 'push', ...flags, '--format', 'v2s2', '--rm', 'app', `docker://${name}:docker`);
    expect(bench.try(['manifest', 'exists', 'app']).code).toBe(1);
    const remote = JSON.parse(bench.run('manifest', 'inspect', ...flags, `${name}:1`));
    expect(architectures(remote)).toEqual(['amd64', 'arm64']);
    bench.run('rmi', '--all');
    bench.run('manifest', 'create', ...flags, '--all', 'copy', `docker://${name}:1`);
    expect(inspect(bench, 'copy')).toEqual(remote);
    bench.run('manifest', 'add', ...flags, 'copy', `docker://${name}:docker`);
    expect(inspect(bench, 'copy').manifests).toHaveLength(3);
    bench.run('push', ...flags, 'copy', `docker://${name}:2`);

    bench.run('manifest', 'annotate', '--index', '--annotation', 'x=y', 'copy');
    bench.run('manifest', 'push', ...flags, '--all=false', 'copy', `docker://${name}:3`);
    expect(JSON.parse(bench.run('manifest', 'inspect', ...flags, `${name}:3`))).toEqual(
      inspect(bench, 'copy'),
    );
    const lacking = `docker://${REGISTRY}/lists/empty-${person}:1`;
    const refused = bench.try(['manifest', 'push', ...flags, '--all=false', 'copy', lacking]);
    expect(refused.code).toBe(125);
    expect(refused.stderr).toContain('push it without --all=false');
  });
});
