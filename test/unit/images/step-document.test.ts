import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/base/digest.ts';
import { emptyConfig, encodeConfig } from '../../../src/images/config.ts';
import { decodeConfig } from '../../../src/images/decode.ts';
import { derivedFrom, STEPS_KEY } from '../../../src/images/mutate.ts';
import { stepsOf, withSteps } from '../../../src/images/step-document.ts';
import type { ImageConfig } from '../../../src/images/types.ts';
import type { StepRecord } from '../../../src/store/types.ts';

const bare = emptyConfig({ os: 'linux', architecture: 'amd64' });
const step: StepRecord = {
  key: digestOf('key'),
  diffId: digestOf('layer'),
  site: 'Dockerfile stage 0 step 2',
  created: 1_700_000_000_000,
  inputs: [
    ['operation', 'RUN'],
    ['env A', 'ü"\n'],
  ],
  result: { value: 0, entry: { created: '2026-01-02T03:04:05.678000000Z', created_by: 'RUN x' } },
};
const still: StepRecord = { ...step, key: digestOf('other'), diffId: null };

const through = (config: ImageConfig) => decodeConfig(encodeConfig(config), 'config');

test('records come back as they were, and the bytes are always the same', () => {
  const config = withSteps(bare, [step, still]);
  expect(stepsOf(through(config), 'config')).toEqual([step, still]);
  expect(encodeConfig(withSteps(through(bare), [step, still]))).toEqual(encodeConfig(config));
});

test('an image without records has no such member, and one made of it has none either', () => {
  expect(withSteps(bare, [])).toBe(bare);
  expect(stepsOf(bare, 'config')).toEqual([]);
  expect(derivedFrom(withSteps(bare, [step]))).not.toHaveProperty([STEPS_KEY]);
});

describe('what a stranger wrote', () => {
  const record = {
    key: step.key,
    layer: step.diffId,
    site: 's',
    created: 1,
    inputs: [],
    result: step.result,
  };
  const read = (document: unknown) =>
    stepsOf(through({ ...bare, [STEPS_KEY]: document } as ImageConfig), 'config');

  test('of a later version is passed over', () => {
    expect(read({ version: 2, anything: true })).toEqual([]);
  });

  test.each<[string, unknown]>([
    ['no object', 'x'],
    ['no version', { records: [] }],
    ['no records', { version: 1 }],
    ['records that are none', { version: 1, records: [1] }],
    ['a key that is no digest', { version: 1, records: [{ ...record, key: 'sha256:../../x' }] }],
    ['a layer that is no digest', { version: 1, records: [{ ...record, layer: 'sha256:0' }] }],
    ['a layer that is null', { version: 1, records: [{ ...record, layer: null }] }],
    ['a negative date', { version: 1, records: [{ ...record, created: -1 }] }],
    ['inputs that are no pairs', { version: 1, records: [{ ...record, inputs: [['a']] }] }],
    ['inputs that are no text', { version: 1, records: [{ ...record, inputs: [['a', 1]] }] }],
    ['an endless site', { version: 1, records: [{ ...record, site: 'x'.repeat(20_000) }] }],
    ['no result', { version: 1, records: [{ ...record, result: undefined }] }],
    [
      'a result that is an object',
      { version: 1, records: [{ ...record, result: { value: {}, entry: {} } }] },
    ],
    [
      'an entry with no date',
      { version: 1, records: [{ ...record, result: { value: 0, entry: { created: 'yesterday' } } }] },
    ],
    ['more than is known', { version: 1, records: [{ ...record, more: true }] }],
  ])('with %s is refused', (_, document) => {
    expect(() => read(document)).toThrow(/^config: io\.bld\.steps: /);
  });
});
