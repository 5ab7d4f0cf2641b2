import { describe, expect, test } from 'vitest';
import { BldError } from '../../../src/base/errors.ts';
import { cacheSources, cacheTargets } from '../../../src/cli/build-cache.ts';
import { formatLocation } from '../../../src/images/location.ts';

function target(text: string): string {
  const { to, inline } = cacheTargets([text]);
  const [first] = to;
  if (!first) return inline ? 'inline' : 'nothing';
  const { location, mode, ignoreError, compression, level, force } = first;
  const rest = [ignoreError && 'ignore', compression, level, force && 'force'].filter(
    (word) => word !== undefined,
  );
  return [formatLocation(location), mode, ...rest.filter(Boolean)].join(' ');
}

describe('--cache-to', () => {
  test.each([
    ['type=registry,ref=r.example/a:c', 'docker://r.example/a:c min'],
    ['type=registry,ref=r.example/a,mode=max', 'docker://r.example/a:latest max'],
    [
      'type=registry,ref=r.example/a:c,compression=zstd,compression-level=3,force-compression=true,ignore-error=true',
      'docker://r.example/a:c min ignore zstd 3 force',
    ],
    ['type=registry,ref=r.example/a:c,compression=uncompressed', 'docker://r.example/a:c min none'],
    ['type=registry,ref=r.example/a:c,image-manifest=true,oci-mediatypes=true', 'docker://r.example/a:c min'],
    ['type=local,dest=/d', 'oci:/d:latest min'],
    ['type=local,dest=/d,tag=t,mode=max', 'oci:/d:t max'],
    ['type=inline', 'inline'],
    ['r.example/a', 'docker://r.example/a:buildcache max'],
    ['r.example/a:c', 'docker://r.example/a:c min'],
  ])('%s', (text, expected) => {
    expect(target(text)).toBe(expected);
  });
});

test.each([
  ['type=registry,ref=r.example/a:c', ['docker://r.example/a:c']],
  ['type=local,src=/d,tag=t', ['oci:/d:t']],
  ['r.example/a:c', ['docker://r.example/a:c']],
  ['r.example/a', ['docker://r.example/a:buildcache', 'docker://r.example/a:latest']],
])('--cache-from %s', (text, expected) => {
  expect(cacheSources([text]).map((places) => places.map(formatLocation))).toEqual([expected]);
});

/** Code, message and hint of what `work` throws. */
function failure(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof BldError) return `${error.code}: ${error.message}\nhint: ${error.hint}`;
  }
  return 'no error';
}

test('what is wrong is told with the form that is right', async () => {
  const wrong = [
    'type=gha',
    'type=s3,bucket=b',
    'type=tar,dest=x',
    'ref=a',
    'type=registry',
    'type=local',
    'type=local,dest=/d,tag=a/b',
    'type=registry,ref=UPPER/x y',
    'type=registry,ref=a,mode=middle',
    'type=registry,ref=a,dest=b',
    'type=registry,ref=a,compression=xz',
    'type=registry,ref=a,compression=estargz',
    'type=registry,ref=a,compression-level=high',
    'type=registry,ref=a,ignore-error=perhaps',
    'type=registry,ref=a,image-manifest=false',
    'type=inline,mode=max',
    'Not A Name',
  ];
  const said = wrong.map((text) => failure(() => cacheTargets([text])));
  const from = ['type=azblob', 'type=inline', 'type=local,dest=/d', ''].map((text) =>
    failure(() => cacheSources([text])),
  );
  await expect(`${[...said, ...from].join('\n')}\n`).toMatchFileSnapshot('../../golden/cache-flags.txt');
});
