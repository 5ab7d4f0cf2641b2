// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles look like this
import { describe, expect, test } from 'vitest';
import { applyToConfig, openState } from '../../../src/dockerfile/config.ts';
import { evaluate, openScope, runEnvironment } from '../../../src/dockerfile/evaluate.ts';
import { parseTriggers } from '../../../src/dockerfile/interpret.ts';
import { parseFile } from '../../../src/dockerfile/parse.ts';
import { buildOnPaper, buildTarget, planOf } from './build.ts';

const args = (record: Record<string, string>) => ({ buildArgs: new Map(Object.entries(record)) });

describe('build arguments', () => {
  const file =
    'ARG V=1\nARG W=${V}.0\nFROM scratch AS a\nARG V\nARG W=own\nARG X\nARG Y=y$X\nLABEL l=$V,$W,$X,$Y\n';

  test('defaults: global ones only where the stage asks for them', () => {
    expect(buildTarget(file).config.Labels).toEqual({ l: '1,own,,y' });
    expect(buildTarget('ARG G=1\nFROM scratch\nLABEL l=$G').config.Labels).toEqual({ l: '' });
  });

  test('given values win', () => {
    expect(buildTarget(file, args({ V: '2', X: 'x' })).config.Labels).toEqual({ l: '2,own,x,yx' });
    expect(buildTarget(file, args({ W: '' })).config.Labels).toEqual({ l: '1,,,y' });
  });

  test('the later of ARG and ENV wins, and ARG leaves the config alone (measured, docker 20.10 and 28)', () => {
    const { config, scope, history } = buildTarget('FROM scratch\nENV A=1\nARG A=2\nRUN x\n');
    expect(config.Env).toContain('A=1');
    expect(runEnvironment(scope)).toContain('A=2');
    expect(history.at(-1)).toBe('RUN |1 A=2 /bin/sh -c x # buildkit');
  });

  test('an ARG without a value shows the ENV of its name (measured)', () => {
    const { history } = buildTarget(
      'FROM scratch AS p\nARG Q=1\nENV Z=1\nFROM p\nARG Z\nENV Q=3\nARG Q=4\nRUN x\n',
    );
    expect(history.at(-1)).toBe('RUN |2 Q=4 Z=1 /bin/sh -c x # buildkit');
  });

  test('proxies reach RUN without an ARG, and stay out of the history', () => {
    const { scope, history } = buildTarget('FROM scratch\nRUN x\n', args({ https_proxy: 'p', OTHER: 'o' }));
    expect(runEnvironment(scope)).toContain('https_proxy=p');
    expect(runEnvironment(scope).join()).not.toContain('OTHER');
    expect(history).toEqual(['RUN /bin/sh -c x # buildkit']);
  });

  test('what no ARG declares is told', () => {
    const given = args({
      V: '1',
      NOPE: '1',
      HTTP_PROXY: '',
      BUILDKIT_INLINE_CACHE: '1',
      TARGETARCH: 'x',
      SOURCE_DATE_EPOCH: '0',
    });
    expect(planOf(file, given).unusedBuildArgs).toEqual(['NOPE']);
  });

  test('platform arguments', () => {
    const text =
      'FROM --platform=$BUILDPLATFORM scratch AS t\nARG TARGETPLATFORM\nARG TARGETVARIANT\nARG TARGETSTAGE\nLABEL l=$TARGETPLATFORM,$TARGETVARIANT,$TARGETSTAGE,$TARGETOS\n';
    const targetPlatform = { os: 'linux', architecture: 'arm', variant: 'v7' };
    expect(buildTarget(text, { targetPlatform }).config.Labels).toEqual({ l: 'linux/arm/v7,v7,default,' });
    expect(planOf(text, { targetPlatform }).target.platform).toEqual({ os: 'linux', architecture: 'amd64' });
  });

  test('names of objects are data', () => {
    const { config } = buildTarget(
      'FROM scratch\nARG __proto__=1\nLABEL __proto__=$__proto__ toString=$toString\n',
    );
    expect(Object.entries(config.Labels ?? {})).toEqual([
      ['__proto__', '1'],
      ['toString', ''],
    ]);
  });
});

describe('stages', () => {
  test('of the file up to the target are all built on request', () => {
    const text = 'FROM a AS one\nFROM b AS two\nFROM c AS three\nCOPY --from=one /x /\nFROM d AS last\n';
    const order = (options: Parameters<typeof planOf>[1]) =>
      planOf(text, options).order.map(({ name }) => name);
    expect(order({ target: 'three' })).toEqual(['one', 'three']);
    expect(order({ target: 'three', allStages: true })).toEqual(['one', 'two', 'three']);
    expect(order({ allStages: true })).toEqual(['one', 'two', 'three', 'last']);
  });

  const file = 'FROM scratch AS a\nFROM scratch AS b\nFROM a AS c\nCOPY --from=B /x /x\nFROM scratch AS d\n';
  const order = (text: string, target?: string) =>
    planOf(text, target === undefined ? {} : { target }).order.map(({ name, index }) => name ?? index);

  test('only what the target needs, its needs first', () => {
    expect(order(file)).toEqual(['d']);
    expect(order(file, 'C')).toEqual(['a', 'b', 'c']);
    expect(order(file, '0')).toEqual(['a']);
  });

  test('a target that is not there', () => {
    expect(() => planOf(file, { target: 'dd' })).toThrow('target stage "dd" could not be found');
    expect(() => planOf('FROM scratch AS build', { target: 'biuld' })).toThrow('(did you mean build?)');
  });

  test('later stages can be copied from; the nearest of a name is meant', () => {
    expect(order('FROM scratch AS x\nCOPY --from=y /a /a\nFROM scratch AS y\nFROM x\n')).toEqual([
      'y',
      'x',
      2,
    ]);
    const twice = planOf('FROM scratch AS x\nFROM scratch AS z\nCOPY --from=x / /\nFROM z AS x\n');
    expect(twice.order.map(({ index }) => index)).toEqual([0, 1, 2]);
  });

  test('--after orders without copying', () => {
    expect(order('FROM scratch AS x\nFROM --after=x scratch AS y\n')).toEqual(['x', 'y']);
  });

  test('named contexts stand in for stages and images', () => {
    const text =
      'FROM docker.io/library/alpine AS base\nRUN x\nFROM base\nCOPY --from=Tools /a /a\nCOPY --from=busybox /b /b\n';
    const plan = planOf(text, { contexts: ['alpine', 'tools'] });
    expect(plan.stages[0]?.base).toEqual({ kind: 'context', name: 'alpine' });
    expect(plan.resolve('Tools')).toEqual({ kind: 'context', name: 'tools' });
    expect(plan.resolve('busybox')).toEqual({ kind: 'image', reference: 'busybox' });
    const replaced = planOf(text, { contexts: ['base'] });
    expect(replaced.target.base).toEqual({ kind: 'context', name: 'base' });
    expect(replaced.order).toHaveLength(1);
  });

  test('stages that are not needed may be wrong', () => {
    expect(order('FROM scratch AS x\nARG A\nENV B=${A:?}\nFROM scratch AS y\n')).toEqual(['y']);
  });
});

describe('configs', () => {
  const apply = (text: string, config: object) =>
    buildOnPaper(planOf(`FROM base\n${text}\n`), config).at(-1)?.config;

  test('ENTRYPOINT drops an inherited CMD, and keeps one of its own stage', () => {
    expect(apply('ENTRYPOINT ["e"]', { Cmd: ['c'] })).toEqual({ Entrypoint: ['e'] });
    expect(apply('CMD ["own"]\nENTRYPOINT ["e"]', { Cmd: ['c'] })).toMatchObject({
      Cmd: ['own'],
      Entrypoint: ['e'],
    });
    expect(apply('ENTRYPOINT []', { Entrypoint: ['e'] })).toEqual({});
  });

  test('variables are replaced where they stand', () => {
    expect(apply('ENV B=3 C=$A', { Env: ['A=1', 'B=2'] })?.Env).toEqual(['A=1', 'B=3', 'C=1']);
  });

  test('a relative WORKDIR goes on from the last, and cannot leave the root', () => {
    expect(apply('WORKDIR a\nWORKDIR ../b/./c/', { WorkingDir: '/w' })?.WorkingDir).toBe('/w/b/c');
    expect(apply('WORKDIR ../../..', {})?.WorkingDir).toBe('/');
  });

  test('triggers are cleared, own ones kept; other fields stay', () => {
    expect(apply('ONBUILD RUN x', { OnBuild: ['RUN y'], Other: 1 })).toEqual({
      OnBuild: ['RUN x'],
      Other: 1,
    });
  });

  test('states are not changed in place', () => {
    const state = openState({ Env: ['A=1'], Labels: { a: '1' } });
    const before = structuredClone(state);
    const { stages, inputs } = planOf('FROM scratch\nENV A=2\nLABEL a=2\n');
    for (const instruction of stages[0]?.instructions ?? []) {
      applyToConfig(state, evaluate(instruction, openScope(inputs, [])).step);
    }
    expect(state).toEqual(before);
  });
});

describe('triggers of an image', () => {
  test('are read with their heredocs', () => {
    const [run, copy] = parseTriggers(['RUN <<EOF\necho a\nEOF', 'COPY --from=x a /b'], 'img');
    expect(run).toMatchObject({ kind: 'run', command: { form: 'shell', line: 'echo a\n' } });
    expect(copy).toMatchObject({ kind: 'copy', from: 'x' });
  });

  test('cannot be FROM, and are named in errors', () => {
    expect(() => parseTriggers(['FROM x'], 'img:1')).toThrow(/^ONBUILD of img:1:1: FROM isn't allowed/);
  });
});

describe('limits', () => {
  test.each([
    ['a line', `FROM scratch\nRUN ${'a'.repeat(70_000)}`, 'greater than max allowed size of 65535'],
    ['a heredoc line', `FROM scratch\nRUN <<E\n${'a'.repeat(70_000)}\nE`, 'greater than max allowed size'],
    ['a file', `FROM scratch\n${' '.repeat(17 << 20)}`, 'larger than 16 MiB'],
    ['instructions', `FROM scratch\n${'USER a\n'.repeat(5000)}`, 'more than 4000 instructions'],
    ['doublings', `FROM scratch\nARG A=aaaaaaaa\n${'ARG A=$A$A\n'.repeat(3000)}`, 'expands to more than'],
    ['nesting', `FROM scratch\nENV A=${'${a:-'.repeat(2000)}${'}'.repeat(2000)}`, 'nested too deeply'],
    ['an open heredoc', `FROM scratch\nRUN <<EOF\n${'x\n'.repeat(20_000)}`, 'unterminated heredoc'],
    ['a circle', `FROM scratch AS a\nCOPY --from=b / /\nFROM a AS b\n`, 'circular dependency'],
  ])('%s', (_, text, message) => {
    const started = performance.now();
    expect(() => buildOnPaper(planOf(text))).toThrow(message);
    expect(performance.now() - started).toBeLessThan(4000);
  });

  test('a line of the greatest length is read', () => {
    const text = `RUN ${'a'.repeat(65_531)}`;
    expect(parseFile(`FROM scratch\n${text}\n`, 'D').nodes[1]?.original).toHaveLength(65_535);
  });

  test('a long chain of stages is planned without recursion', () => {
    const chain = Array.from(
      { length: 3000 },
      (_, index) => `FROM ${index === 0 ? 'scratch' : `s${index - 1}`} AS s${index}\n`,
    );
    expect(planOf(chain.join('')).order).toHaveLength(3000);
  });
});
