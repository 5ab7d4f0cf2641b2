import { expect, test } from 'vitest';
import { readCall, readCheck } from '../../../src/cli/build-call.ts';
import { targetOutline, targetsOf } from '../../../src/dockerfile/describe.ts';
import { lintFile } from '../../../src/dockerfile/lint.ts';
import { parseFile } from '../../../src/dockerfile/parse.ts';
import { planBuild } from '../../../src/dockerfile/plan.ts';

const platform = { os: 'linux', architecture: 'amd64' };
const options = { buildPlatform: platform, targetPlatform: platform };
const FILE = `ARG BASE=scratch
ARG UNUSED=1
ARG VERSION=1
# base is where all begins
FROM $BASE AS base
# FOO is a thing
ARG FOO=bar
ARG BAZ
RUN --mount=type=secret,id=tok,required=true --mount=type=ssh true
FROM base AS Two
ARG VERSION
FROM scratch
COPY --from=Two / /
`;

function planOf(given: { readonly target?: string; readonly buildArgs?: ReadonlyMap<string, string> } = {}) {
  return planBuild(parseFile(FILE, 'Dockerfile'), { ...options, buildArgs: new Map(), ...given });
}

test('targets are the stages with names, and the last', () => {
  expect(targetsOf(planOf()).map(({ node, ...rest }) => [node.range.start.line, rest])).toEqual([
    [5, { name: 'base', description: 'is where all begins', isDefault: false, base: '$BASE' }],
    [10, { name: 'two', isDefault: false, base: 'base' }],
    [12, { isDefault: true, base: 'scratch' }],
  ]);
});

test('an outline names what the target may be given', () => {
  const { args, secrets, agents } = targetOutline(planOf({ buildArgs: new Map([['VERSION', '2']]) }));
  expect(args.map(({ name, value, description }) => [name, value, description])).toEqual([
    ['BASE', 'scratch', undefined],
    ['FOO', 'bar', 'is a thing'],
    ['BAZ', undefined, undefined],
    ['VERSION', '2', undefined],
  ]);
  expect(secrets.map(({ name, isRequired }) => [name, isRequired])).toEqual([['tok', true]]);
  expect(agents.map(({ name }) => name)).toEqual(['default']);
  const base = targetOutline(planOf({ target: 'base' }));
  expect(base).toMatchObject({ name: 'base', description: 'is where all begins' });
  expect(base.args.map(({ name }) => name)).toEqual(['BASE', 'FOO', 'BAZ']);
});

test('--call and --check are read', () => {
  expect(readCall('lint')).toEqual({ method: 'check', format: 'text', options: '' });
  expect(readCall('targets,format=json')).toEqual({ method: 'targets', format: 'json', options: '' });
  expect(() => readCall('all')).toThrow('expected one of build, check, outline, targets');
  expect(() => readCall('check,format=xml')).toThrow('the format is text or json');
  expect(readCheck('true')).toEqual({ method: 'check', format: 'text', options: '' });
  expect(readCheck('false').method).toBe('build');
  expect(readCheck('error=true,format=json')).toEqual({
    method: 'check',
    format: 'json',
    options: 'error=true',
  });
  expect(readCheck('skip=A,B;error=true').options).toBe('skip=A,B;error=true');
});

test('options of the command line go on top of those of the file', () => {
  const text = '# check=skip=StageNameCasing\nFROM scratch AS Two\nMAINTAINER me\n';
  expect(lintFile(text, 'Dockerfile', options)).toMatchObject({ isViolation: false });
  const { warnings, isViolation } = lintFile(text, 'Dockerfile', { ...options, check: 'error=true' });
  expect(warnings.map(({ rule }) => rule)).toEqual(['MaintainerDeprecated']);
  expect(isViolation).toBe(true);
});
