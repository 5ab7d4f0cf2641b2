import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { attested, type Statement } from '../helpers/attested.ts';
import { Bench, PEOPLE } from '../helpers/bld.ts';
import { contextOf, directoryOf } from '../helpers/contexts.ts';

const SCRATCH = 'FROM scratch\nCOPY file /\n';

describe.each(PEOPLE)('a scan as %s', (person) => {
  test('a scanner tells what is in the image: beside it, beside its files, and among what the build took', async () => {
    using bench = new Bench(person);
    const context = contextOf(bench, SCRATCH, { file: 'content' });
    const scan = (type: string, name = 'sbom.spdx.json') => `set -eu
if echo changed > "$BUILDKIT_SCAN_SOURCE/file"; then exit 9; fi
found="$(cd "$BUILDKIT_SCAN_SOURCE" && echo *) $(cat "$BUILDKIT_SCAN_SOURCE/file")"
echo '{"predicateType":"${type}","predicate":{"found":"'$found'"}}' > "$BUILDKIT_SCAN_DESTINATION/${name}"
`;
    const scanner = (name: string, text: string) => {
      const dockerfile = 'FROM BASE\nCOPY scan /scan\nUSER 0\nWORKDIR /else\nENTRYPOINT ["sh", "/scan"]\n';
      const directory = directoryOf(bench, name, { Dockerfile: dockerfile, scan: text });
      bench.run('build', '-q', '-t', name, directory);
      return `generator=localhost/${name}`;
    };
    const spdx = scanner('spdx', scan('https://spdx.dev/Document'));
    const both = [`--sbom=${spdx}`, '--provenance=mode=min', '--timestamp', '1', context];
    const { manifests, statements, id } = await attested(bench, ...both);
    expect(manifests).toHaveLength(2);
    expect(statements.map(({ predicateType }) => predicateType)).toEqual([
      'https://spdx.dev/Document',
      'https://slsa.dev/provenance/v1',
    ]);
    expect(statements[0].predicate).toEqual({ found: 'file content' });
    const { resolvedDependencies } = statements[1].predicate.buildDefinition;
    expect(resolvedDependencies.map(({ uri }: Statement) => uri.split('@')[0])).toEqual([
      'pkg:docker/localhost/spdx',
    ]);
    expect((await attested(bench, ...both)).id).toBe(id);
    const out = join(bench.directory, 'out');
    bench.run('build', '-q', '--attest', `type=sbom,${spdx}`, '-o', out, context);
    expect(JSON.parse(readFileSync(join(out, 'sbom.spdx.json'), 'utf8'))).toMatchObject({
      subject: [{ name: 'file' }],
      predicate: { found: 'file content' },
    });
    for (const [name, text] of [
      ['other', scan('https://example.com/other')],
      ['none', scan('https://spdx.dev/Document', 'sbom.json')],
      ['text', 'echo text > "$BUILDKIT_SCAN_DESTINATION/a.spdx.json"\n'],
      ['link', 'ln -s /etc/passwd "$BUILDKIT_SCAN_DESTINATION/a.spdx.json"\n'],
      ['fails', 'exit 3\n'],
    ] as const) {
      const made = bench.try([
        'build',
        '-q',
        `--sbom=${scanner(name, text)}`,
        '--label',
        `v=${name}`,
        '-t',
        'x',
        context,
      ]);
      expect([name, made.code === 0]).toEqual([name, false]);
    }
    expect(bench.run('containers', '-aq')).toBe('');
    // the base, the scanners, and what was exported: nothing of builds that failed
    expect(bench.run('images', '-aq').split('\n')).toHaveLength(8);
  });
});
