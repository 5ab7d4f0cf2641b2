import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { outputsOf, STDOUT } from '../../../src/cli/build-outputs.ts';

const of = (...outputs: string[]) => outputsOf(['app'], outputs, false);

describe('outputs of a build', () => {
  test('names and other places are told apart', () => {
    const outputs = outputsOf(['app', 'registry.example.com/a:1', 'dir:/tmp/x'], [], true);
    expect(outputs.names).toEqual(['localhost/app:latest', 'registry.example.com/a:1']);
    expect(outputs.destinations).toEqual([{ location: { transport: 'dir', path: '/tmp/x' } }]);
    expect(outputs.pushed).toEqual(outputs.names.map((name) => ({ name, byDigest: false })));
    expect(outputs.takesStdout).toBe(false);
  });

  test('files: a directory, a tar, standard output', () => {
    expect(of('out', 'type=local,dest=/o,platform-split=false').directories).toEqual([
      { path: resolve('out'), split: true },
      { path: '/o', split: false },
    ]);
    expect(of('type=tar,dest=/a.tar').tars).toEqual([{ path: '/a.tar', split: true }]);
    for (const text of ['-', 'type=tar', 'type=tar,dest=-']) {
      expect(of(text)).toMatchObject({ tars: [{ path: STDOUT }], takesStdout: true });
    }
  });

  test('archives, with what their manifest has to be', () => {
    const [oci, docker, layout] = of(
      'type=oci,dest=/a.tar,name=x,compression=zstd,compression-level=3,force-compression=true',
      'type=docker,dest=-,name=registry.example.com/x:1',
      'type=oci,dest=/layout,tar=false',
    ).destinations;
    expect(oci).toMatchObject({
      location: { transport: 'oci-archive', path: '/a.tar', select: { by: 'name', name: 'x' } },
      ...{ compression: 'zstd', level: 3, force: true },
    });
    expect(docker?.location).toMatchObject({ transport: 'docker-archive', path: STDOUT });
    expect(layout?.location).toMatchObject({ transport: 'oci', path: '/layout' });
  });

  test('images, pushed or not', () => {
    expect(of('type=image,name=b,oci-mediatypes=false')).toMatchObject({
      names: ['localhost/app:latest', 'localhost/b:latest'],
      pushed: [],
      stored: { format: 'docker' },
    });
    expect(outputsOf([], ['type=registry,"name=r.example/a:1,r.example/b"'], false)).toMatchObject({
      names: ['r.example/a:1', 'r.example/b:latest'],
      pushed: [{ name: 'r.example/a:1' }, { name: 'r.example/b:latest' }],
    });
    const byDigest = 'type=image,name=r.example/a,push-by-digest=true,name-canonical=true,push=true';
    expect(outputsOf([], [byDigest], false)).toMatchObject({
      names: [],
      pushed: [{ name: 'r.example/a:latest', byDigest: true }],
    });
  });

  test('annotations and dates go to the images', () => {
    const text =
      'type=oci,dest=/a,annotation.a=1,annotation-manifest.b=2,annotation-index.c=3,rewrite-timestamp=true';
    expect(of(text)).toMatchObject({
      annotations: { a: '1', b: '2' },
      indexAnnotations: { c: '3' },
      rewritesTimestamps: true,
    });
  });

  test('cacheonly alone wants no image', () => {
    expect(outputsOf([], ['type=cacheonly'], false).isCacheOnly).toBe(true);
    expect(of('type=cacheonly').isCacheOnly).toBe(false);
    expect(outputsOf([], ['type=cacheonly', 'out'], false).isCacheOnly).toBe(false);
  });

  test.each([
    ['type=nonsense', 'there is no type "nonsense"'],
    ['type=local', 'dest= has to be a directory'],
    ['type=local,dest=-', 'dest= has to be a directory'],
    ['type=oci,tar=false', 'dest= is missing'],
    ['type=docker,tar=false,dest=/x', 'there is no directory of this type'],
    ['type=oci,dest=/x,buildinfo=true', 'the option buildinfo of --output is not provided'],
    ['type=oci,dest=/x,compression=estargz', 'eStargz'],
    ['type=oci,dest=/x,compression=lzma', 'expected one of'],
  ])('%s is refused', (text, message) => {
    expect(() => of(text)).toThrow(message);
  });

  test('only one output takes standard output; a push needs a name', () => {
    expect(() => of('-', 'type=oci')).toThrow('only one output');
    expect(() => outputsOf([], [], true)).toThrow('no name to push');
    expect(() => outputsOf([], ['type=registry'], false)).toThrow('no name to push');
  });
});
