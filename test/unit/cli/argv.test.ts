import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  checkArguments,
  completeValues,
  flagTable,
  type Given,
  readCommand,
  readFlags,
} from '../../../src/cli/argv.ts';
import { bool, csv, integer, list, text, tristate, value } from '../../../src/cli/flag.ts';
import type { Arguments, Flags } from '../../../src/cli/spec.ts';
import { readPullPolicy, readSize } from '../../../src/cli/values.ts';

const flags = {
  all: bool('all', { short: 'a' }),
  quiet: bool('quiet', { short: 'q' }),
  'http-proxy': bool('proxy', { fallback: true }),
  'tls-verify': tristate('tls'),
  format: text('format', { short: 'f' }),
  network: text('network', { aliases: ['net'] }),
  memory: value('memory', readSize, { short: 'm' }),
  retry: integer('retry'),
  pull: value('pull', readPullPolicy, { bare: 'always', fallback: 'missing' }),
  filter: csv('filter'),
  env: list('env', { short: 'e' }),
  secret: list('secret', { skipsEmpty: true }),
  root: text('root', { env: ['ROOT'] }),
  sbom: list('sbom', { unsupported: 'not here' }),
  stamp: integer('stamp', { env: ['BLD_STAMP', 'STAMP'] }),
} satisfies Flags;

function parse(words: readonly string[], after: Arguments['after'] = 'strict', env = {}) {
  const given: Given = new Map();
  const { args, help } = readFlags(flagTable(flags), words, { after, given });
  return { args, help, given, values: completeValues(flags, given, env) };
}

describe('flags as pflag reads them', () => {
  test.each([
    [['--all'], { all: true }],
    [['--all=false'], { all: false }],
    [['-a=false'], { all: false }],
    [['-aq'], { all: true, quiet: true }],
    [['-aqfjson'], { all: true, quiet: true, format: 'json' }],
    [['-f', 'json'], { format: 'json' }],
    [['-f=json'], { format: 'json' }],
    [['-qf', '-a'], { quiet: true, format: '-a', all: false }],
    [['--format', '--all'], { format: '--all', all: false }],
    [['--format='], { format: undefined }],
    [['--format', 'x', '--network', ''], { format: 'x', network: undefined }],
    [['--secret', '', '--secret=a'], { secret: ['a'] }],
    [['--env='], { env: [''] }],
    [['--http-proxy=0'], { httpProxy: false }],
    [['--tls-verify=F'], { tlsVerify: false }],
    [[], { tlsVerify: undefined, httpProxy: true, pull: 'missing', filter: [], memory: undefined }],
    [['--pull'], { pull: 'always' }],
    [['--pull=never'], { pull: 'never' }],
    [['--pull=false'], { pull: 'never' }],
    [['--net', 'host'], { network: 'host' }],
    [['--filter', 'a=1,b=2', '--filter=c'], { filter: ['a=1', 'b=2', 'c'] }],
    [['--filter', '"a,b",c'], { filter: ['a,b', 'c'] }],
    [['--env', 'A=1,2', '-e', 'B'], { env: ['A=1,2', 'B'] }],
    [['-m', '64m', '--retry', '0x10'], { memory: 67108864, retry: 16 }],
    [['-m64m', '-m', '1k'], { memory: 1024 }],
  ])('%j', (words, expected) => {
    expect(parse(words).values).toMatchObject(expected);
  });

  test('a bare optional value does not take the next word', () => {
    expect(parse(['--pull', 'never']).args).toEqual(['never']);
  });

  test.each([
    [['--nosuch'], 'unknown flag: --nosuch'],
    [['--nosuch=1'], 'unknown flag: --nosuch'],
    [['-ax'], "unknown shorthand flag: 'x' in -x"],
    [['--format'], 'flag needs an argument: --format'],
    [['-qf'], "flag needs an argument: 'f' in -f"],
    [['--=x'], 'bad flag syntax: --=x'],
    [['---x'], 'bad flag syntax: ---x'],
    [['--all=maybe'], 'invalid argument "maybe" for "-a, --all" flag: neither true nor false'],
    [['--retry', 'x'], 'invalid argument "x" for "--retry" flag: not a whole number'],
    [['--pull=zz'], 'invalid argument "zz" for "--pull" flag: expected one of always, missing, never, newer'],
    [['x', '--all'], 'no options (--all) can be specified after the image or container name'],
    [['--sbom', 'x'], '--sbom is not supported: not here'],
    [['--no-all'], 'unknown flag: --no-all'],
  ])('%j is refused', (words, message) => {
    expect(() => parse(words)).toThrow(message);
  });

  test('a near name is told', () => {
    expect(() => parse(['--fromat', 'x'])).toThrow(
      expect.objectContaining({ hint: 'did you mean --format?' }),
    );
  });

  test('variables stand in for flags, the flag wins', () => {
    expect(parse([], 'strict', { STAMP: '7' }).values).toMatchObject({ stamp: 7 });
    expect(parse([], 'strict', { STAMP: '7', BLD_STAMP: '8' }).values).toMatchObject({ stamp: 8 });
    expect(parse(['--root='], 'strict', { ROOT: '/r' }).values).toMatchObject({ root: '/r' });
    expect(parse(['--stamp=9'], 'strict', { STAMP: '7' }).values).toMatchObject({ stamp: 9 });
    expect(() => parse([], 'strict', { STAMP: 'x' })).toThrow('invalid value "x" in STAMP (--stamp)');
  });
});

describe('where flags end', () => {
  test.each<[Arguments['after'], string[], string[]]>([
    ['free', ['a', '--all', 'b'], ['a', 'b']],
    ['free', ['a', '--', '--all'], ['a', '--all']],
    ['strict', ['--all', 'a', 'b'], ['a', 'b']],
    ['strict', ['--', '--all'], ['--all']],
    ['strict', ['a', '--', '--all'], ['a', '--all']],
    ['strict', ['-'], ['-']],
    ['command', ['ctr', 'ls', '--all'], ['ctr', 'ls', '--all']],
    ['command', ['ctr', '--', 'ls', '--'], ['ctr', 'ls', '--']],
    ['command', ['--', 'ctr', '--', 'ls'], ['ctr', 'ls']],
    ['command', ['ctr', '--all'], ['ctr', '--all']],
    ['program', ['sh', '--', '-c'], ['sh', '--', '-c']],
    ['program', ['--', 'sh', '-c'], ['sh', '-c']],
  ])('%s: %j', (after, words, args) => {
    expect(parse(words, after).args).toEqual(args);
  });

  test('help is asked for anywhere flags are read', () => {
    expect(parse(['--all', '--help']).help).toBe(true);
    expect(parse(['-h']).help).toBe(true);
    expect(parse(['ctr', '--help'], 'command').help).toBe(false);
  });

  test('the command is the first word after the global flags', () => {
    const given: Given = new Map();
    const split = readCommand(flagTable(flags), ['-q', '--format', 'x', 'images', '--all', 'y'], given);
    expect(split).toEqual({ command: 'images', rest: ['--all', 'y'], help: false });
    expect([...given]).toEqual([
      ['quiet', true],
      ['format', 'x'],
    ]);
  });

  test.each<[Arguments, string[], string]>([
    [{ min: 2, after: 'free' }, [], 'requires at least 2 arg(s), only received 0'],
    [{ min: 2, max: 2, after: 'free' }, ['a'], 'accepts 2 arg(s), received 1'],
    [{ max: 1, after: 'free' }, ['a', 'b'], 'accepts at most 1 arg(s), received 2'],
    [{ max: 0, after: 'free' }, ['a'], 'unknown command "a" for "bld x"'],
    [{ min: 1, missing: 'say it', after: 'free' }, [], 'say it'],
  ])('%j %j', (expected, args, message) => {
    expect(() => checkArguments('x', expected, args)).toThrow(message);
  });
});

describe('properties', () => {
  const word = fc.string({ minLength: 1 }).filter((text) => !text.startsWith('-'));

  test('a value comes back as it was given, in all spellings', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (text) => {
        for (const words of [['--format', text], [`--format=${text}`], ['-f', text], [`-f=${text}`]]) {
          expect(parse(words).values['format']).toBe(text);
        }
      }),
    );
  });

  test('lists keep every item, in order', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (items) => {
        expect(parse(items.flatMap((item) => ['--env', item])).values['env']).toEqual(items);
      }),
    );
  });

  test('comma separated values survive quoting', () => {
    const field = fc.string({ minLength: 1 }).filter((text) => !/[\r\n]/.test(text));
    fc.assert(
      fc.property(fc.array(field, { minLength: 1 }), (items) => {
        const line = items.map((item) => `"${item.replaceAll('"', '""')}"`).join(',');
        expect(parse(['--filter', line]).values['filter']).toEqual(items);
      }),
    );
  });

  test('words after -- are arguments', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (words) => {
        expect(parse(['--all', '--', ...words], 'free').args).toEqual(words);
      }),
    );
  });

  test('flags and arguments do not mix', () => {
    fc.assert(
      fc.property(fc.array(word), fc.shuffledSubarray(['-a', '-q', '--retry=3']), (words, given) => {
        expect(parse([...given, ...words]).args).toEqual(words);
        expect(parse([...words, ...given], 'free').args).toEqual(words);
      }),
    );
  });

  test('whatever is typed, it is read or refused', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (words) => {
        try {
          expect(parse(words, 'free').args.every((argument) => words.includes(argument))).toBe(true);
        } catch (error) {
          expect(error).toMatchObject({ name: 'BldError' });
        }
      }),
    );
  });
});
