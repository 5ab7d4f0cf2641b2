// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles look like this
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { didYouMean } from '../../../src/base/suggest.ts';
import { formatDuration, parseDuration } from '../../../src/dockerfile/duration.ts';
import { readFlags, splitFlags } from '../../../src/dockerfile/flags.ts';
import { heredocMark, heredocMarks } from '../../../src/dockerfile/heredoc.ts';
import { parseMode } from '../../../src/dockerfile/mode.ts';
import { parseMount } from '../../../src/dockerfile/mount.ts';
import { parseOwner } from '../../../src/dockerfile/owner.ts';
import { formatPlatform, parsePlatform } from '../../../src/dockerfile/platform.ts';
import { exposedPorts } from '../../../src/dockerfile/ports.ts';
import { familiarName, isImageName } from '../../../src/dockerfile/reference.ts';
import { signalNumber } from '../../../src/dockerfile/signals.ts';
import { execForm, splitPairs, splitWords } from '../../../src/dockerfile/words.ts';

describe('flags', () => {
  test.each([
    ['a b', [], 'a b'],
    ['--x=1 --y a --z', ['--x=1', '--y'], 'a --z'],
    ['--x="a b" --y=\'c "d\' r', ['--x=a b', '--y=c "d'], 'r'],
    ['--x=a\\ b r', ['--x=a b'], 'r'],
    ['--x -- --y r', ['--x'], ' --y r'],
    ['--', [], ''],
    ['-x r', [], '-x r'],
    ['--é=ü r', ['--é=ü'], 'r'],
    ['--x="open r', ['--x=open r'], ''],
    ['--x=end\\', ['--x=end'], ''],
  ])('%s', (text, flags, rest) => {
    expect(splitFlags(text)).toEqual({ flags, rest });
  });

  test('values, lists, switches', () => {
    const values = readFlags('RUN', ['--a=1', '--l=x', '--l=y', '--s', '--t=FALSE'], {
      a: 'text',
      l: 'list',
      s: 'bool',
      t: 'bool',
      u: 'bool',
    });
    expect(values.text('a')).toBe('1');
    expect(values.list('l')).toEqual(['x', 'y']);
    expect([values.bool('s'), values.bool('t'), values.bool('u')]).toEqual([true, false, undefined]);
  });

  test.each(['--toString=1', '--__proto__=1', '--constructor'])('%s is unknown', (flag) => {
    expect(() => readFlags('COPY', [flag], { from: 'text' })).toThrow(
      `COPY has no flag ${flag.split('=')[0]}`,
    );
  });
});

describe('heredoc marks', () => {
  test.each([
    ['<<EOF', { name: 'EOF', descriptor: 0, chomp: false, expand: true }],
    ['<<-EOF', { name: 'EOF', descriptor: 0, chomp: true, expand: true }],
    ['3<<"E F"', { name: 'E F', descriptor: 3, chomp: false, expand: false }],
    ["<<E'O'F", { name: 'EOF', descriptor: 0, chomp: false, expand: false }],
    ['<<\\EOF', { name: 'EOF', descriptor: 0, chomp: false, expand: false }],
    ['<<$X', { name: '$X', descriptor: 0, chomp: false, expand: true }],
    ['<<<EOF', undefined],
    ['<<', undefined],
    ['<<""', undefined],
    ['a<<EOF', undefined],
    ['\\<<EOF', undefined],
  ])('%s', (word, expected) => {
    expect(heredocMark(word)).toEqual(expected);
  });

  test.each([
    ['cat <<A | x <<-"B"', ['A', 'B']],
    ['echo $((1<<2)) && a <<< b', []],
    ["it's <<EOF", []],
    ['"<<EOF" <<X', ['X']],
  ])('%s', (text, names) => {
    expect(heredocMarks(text).map(({ name }) => name)).toEqual(names);
  });
});

describe('words', () => {
  test('quotes and escapes stay in words', () => {
    expect(splitWords(' a="b c"  d\\ e \'f g\'h ', '\\')).toEqual(['a="b c"', 'd\\ e', "'f g'h"]);
    expect(splitWords('a` b c\\ d', '`')).toEqual(['a` b', 'c\\', 'd']);
    expect(splitWords('a=x\\', '\\')).toEqual(['a=x']);
  });

  test('pairs, both forms', () => {
    expect(splitPairs('a=b "c d"="e"', 'ENV', '\\').pairs).toEqual([
      { name: 'a', value: 'b' },
      { name: '"c d"', value: '"e"' },
    ]);
    expect(splitPairs('a  b = c', 'ENV', '\\')).toEqual({
      pairs: [{ name: 'a', value: 'b = c' }],
      isLegacy: true,
    });
  });

  test('the exec form', () => {
    expect(execForm(' ["a b","\\u0041\\n\\/"] ')).toEqual(['a b', 'A\n/']);
    expect(execForm('["a"] x')).toBeUndefined();
    expect(execForm("['a']")).toBeUndefined();
    expect(execForm('[]')).toEqual([]);
    expect(() => execForm('["a", ["b"]]')).toThrow('strings only');
  });
});

describe('modes, against chmod(1)', () => {
  test.each([
    ['755', 0o644, false, 0o755],
    ['0', 0o644, false, 0],
    ['4755', 0o644, false, 0o4755],
    ['u=rwX,go=rX', 0o600, false, 0o644],
    ['u=rwX,go=rX', 0o700, false, 0o755],
    ['u=rwX,go=rX', 0o600, true, 0o755],
    ['+x', 0o640, false, 0o751],
    ['a-w', 0o666, false, 0o444],
    ['g=u', 0o741, false, 0o771],
    ['o=g', 0o751, false, 0o755],
    ['go=', 0o777, false, 0o700],
    ['u+s', 0o755, false, 0o4755],
    ['g+s,+t', 0o755, true, 0o3755],
    ['u+t', 0o755, false, 0o755],
    ['u=rw', 0o4755, false, 0o655],
    ['u=rw', 0o4755, true, 0o4655],
    ['ug=rw', 0o6755, true, 0o6665],
    ['u=s', 0o755, true, 0o4055],
    ['-s', 0o6755, false, 0o755],
    ['u+r-w+x', 0o200, false, 0o500],
    ['=', 0o777, false, 0],
    ['a=r,u+X', 0o777, false, 0o444],
  ])('%s on %o', (text, mode, isDirectory, expected) => {
    expect(parseMode(text)({ mode, isDirectory }).toString(8)).toBe(expected.toString(8));
  });

  test.each(['', '8', '99999', '10000', 'u', 'z+x', 'u+y', 'u=rw,', 'u==r=q', '0x1', '-1'])(
    '%s is none',
    (text) => {
      expect(() => parseMode(text)).toThrow('invalid chmod parameter');
    },
  );
});

describe('owners', () => {
  test('names and numbers', () => {
    expect(parseOwner('0:staff')).toEqual({ user: { id: 0 }, group: { name: 'staff' } });
    expect(parseOwner('app')).toEqual({ user: { name: 'app' } });
    expect(parseOwner(':b')).toEqual({ user: { id: 0 }, group: { name: 'b' } });
  });

  test.each(['', ':', 'a:', 'a:b:c', '4294967295'])('%s is none', (text) => {
    expect(() => parseOwner(text)).toThrow('invalid owner');
  });
});

describe('mounts', () => {
  test('defaults', () => {
    expect(parseMount('target=/x')).toEqual({
      type: 'bind',
      target: '/x',
      source: '/',
      readonly: true,
      options: {},
    });
    expect(parseMount('type=cache,dst=/c,uid=1,mode=0700,z')).toMatchObject({
      id: '/c',
      uid: 1,
      mode: 0o700,
      options: { z: 'true' },
    });
    expect(parseMount('type=secret,id=a')).toMatchObject({
      target: '/run/secrets/a',
      mode: 0o400,
      required: false,
    });
    expect(parseMount('type=secret,id=a,env=T')).not.toHaveProperty('target');
    expect(parseMount('type=tmpfs,target=/t,tmpfs-size=1.5k')).toMatchObject({ size: 1536 });
    expect(parseMount('type=ssh')).toMatchObject({ id: 'default', mode: 0o600 });
  });

  test('read-only and read-write', () => {
    expect(parseMount('type=bind,target=/x,rw')).toMatchObject({ readonly: false });
    expect(parseMount('type=bind,target=/x,readonly=false')).toMatchObject({ readonly: false });
    expect(parseMount('type=cache,target=/x,ro')).toMatchObject({ readonly: true });
  });

  test('commas in quotes, variables one value at a time', () => {
    expect(parseMount('type=bind,"source=a,b",target=/x')).toMatchObject({ source: 'a,b' });
    const value = (text: string) => text.replace('$S', 'a,ro=1');
    expect(parseMount('target=/x,source=$S', value)).toMatchObject({ source: 'a,ro=1', readonly: true });
  });
});

describe('durations', () => {
  test.each([
    ['0', 0, '0s'],
    ['5s', 5e9, '5s'],
    ['1m30s', 90e9, '1m30s'],
    ['1.5h', 5400e9, '1h30m0s'],
    ['250ms', 250e6, '250ms'],
    ['1us', 1e3, '1µs'],
    ['1500ms', 1.5e9, '1.5s'],
  ])('%s', (text, nanoseconds, shown) => {
    expect(parseDuration(text)).toBe(nanoseconds);
    expect(formatDuration(nanoseconds)).toBe(shown);
  });

  test.each(['', '5', 's', '5 s', '1d', '--1s', '1e3s', '99999999h'])('%s is none', (text) => {
    expect(() => parseDuration(text)).toThrow(/duration/);
  });
});

test('signals', () => {
  expect(['SIGTERM', 'term', '15', 'RTMIN', 'sigrtmin+3', 'RTMAX-1', 'IOT'].map(signalNumber)).toEqual([
    15, 15, 15, 34, 37, 63, 6,
  ]);
  for (const wrong of ['', '0', '65', '-1', 'SIG', 'RTMIN+31', 'RTMAX+1', 'toString']) {
    expect(() => signalNumber(wrong)).toThrow('invalid signal');
  }
});

test('ports', () => {
  expect(exposedPorts(['80', '443/tcp', '53/UDP', '8000-8002', '127.0.0.1:90:91/sctp'])).toEqual([
    '91/sctp',
    '443/tcp',
    '53/udp',
    '80/tcp',
    '8000/tcp',
    '8001/tcp',
    '8002/tcp',
  ]);
  for (const wrong of ['', 'a', '80/', '80/x', '2-1', '65536', '1-', '80/tcp/x']) {
    if (wrong !== '80/') expect(() => exposedPorts([wrong])).toThrow('invalid port');
  }
});

test('platforms', () => {
  const amd64 = { os: 'linux', architecture: 'amd64' };
  const shown = (text: string) => formatPlatform(parsePlatform(text, amd64));
  expect(
    ['linux', 'arm64', 'linux/aarch64/v8', 'linux/arm', 'armel', 'linux/arm/6', 'LINUX/x86_64/v2'].map(shown),
  ).toEqual([
    'linux/amd64',
    'linux/arm64',
    'linux/arm64',
    'linux/arm/v7',
    'linux/arm/v6',
    'linux/arm/v6',
    'linux/amd64/v2',
  ]);
  expect(() => shown('a/b/c/d')).toThrow('failed to parse platform');
});

test('names of images', () => {
  for (const name of [
    'a',
    'a:b',
    'localhost:5000/a/b:c',
    'Host.example/x',
    `a@sha256:${'0'.repeat(64)}`,
    'a__b/c-d.e',
  ]) {
    expect([name, isImageName(name)]).toEqual([name, true]);
  }
  for (const name of [
    '',
    'A',
    'a:',
    'a/',
    '/a',
    'a:b:c',
    'a b',
    'a@sha256:0',
    '0'.repeat(64),
    'a..b',
    'a'.repeat(600),
  ]) {
    expect([name, isImageName(name)]).toEqual([name, false]);
  }
  expect(['docker.io/library/a', 'a', 'a:latest', 'x/a:1', 'h:5/a'].map(familiarName)).toEqual([
    'a:latest',
    'a:latest',
    'a:latest',
    'x/a:1',
    'h:5/a:latest',
  ]);
});

test('guesses are near, or none', () => {
  expect(didYouMean('biuld', ['base', 'build'])).toBe(' (did you mean build?)');
  expect(didYouMean('x', ['y'])).toBe('');
  expect(didYouMean('frontend', ['backend'])).toBe('');
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 8 }), (word) => {
      expect(didYouMean(word, [`${word}s`, 'something-else'])).toBe(` (did you mean ${word}s?)`);
    }),
  );
});
