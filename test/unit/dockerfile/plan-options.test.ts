import { describe, expect, test } from 'vitest';
import { buildOnPaper, buildTarget, planOf } from './build.ts';

const indexes = (text: string, options: Parameters<typeof planOf>[1]) =>
  planOf(text, options).order.map(({ index }) => index);

describe('a stage in place of an image or a stage', () => {
  const text = 'FROM a AS one\nRUN x\nFROM b AS two\nRUN y\nFROM example.com/c\nCOPY --from=extra / /\n';
  const alias = (name: string, stage: string) => ({
    contexts: [name],
    stageContexts: new Map([[name, stage]]),
  });

  test('of a FROM', () => {
    const options = alias('example.com/c', 'Two');
    expect(planOf(text, options).target.base).toEqual({ kind: 'stage', index: 1 });
    expect(indexes(text, options)).toEqual([1, 2]);
  });

  test('of a --from', () => {
    expect(indexes(text, alias('extra', 'one'))).toEqual([0, 2]);
  });

  test('of another stage, whose instructions are left out', () => {
    const plan = planOf(text, { ...alias('two', 'one'), target: 'two' });
    expect(plan.target.instructions).toEqual([]);
    expect(plan.order.map(({ index }) => index)).toEqual([0, 1]);
  });

  test('has to come before', () => {
    expect(() => planOf(text, alias('a', 'two'))).toThrow('no stage "two" comes before this');
    expect(() => planOf(text, alias('b', 'onw'))).toThrow('did you mean one?');
  });
});

test('another image for the first FROM', () => {
  const plan = planOf('ARG X\nFROM $X AS one\nFROM b\n', { from: 'example.com/other' });
  expect(plan.stages.map(({ base }) => base)).toEqual([
    { kind: 'image', reference: 'example.com/other' },
    { kind: 'image', reference: 'b' },
  ]);
});

test('mounts of every RUN come first, and what they are from is built', () => {
  const text =
    'FROM a AS tools\nFROM b\nARG T=/t\nRUN --mount=type=cache,target=/c true\nONBUILD RUN later\n';
  const mounts = ['type=bind,from=tools,target=$T'];
  expect(indexes(text, { mounts })).toEqual([0, 1]);
  const run = buildTarget(text, { mounts }).steps.find((step) => step.kind === 'run');
  expect(run).toMatchObject({ mounts: [{ type: 'bind', target: '/t' }, { type: 'cache' }] });
  expect(() => planOf('FROM a AS tools\nRUN x\n', { mounts })).toThrow('circular dependency');
});

test.each(['plain', 'two words', '"quoted"', "it's", '$HOME $X', 'back\\slash', '`tick`', '#x', 'a=b', ''])(
  'a variable that each stage starts with: %s',
  (value) => {
    for (const directive of ['', '# escape=`\n']) {
      const text = `${directive}FROM a AS one\nFROM b\nENV SECOND=$V\nRUN x\n`;
      const built = buildOnPaper(planOf(text, { env: { V: value, W: 'w' } })).at(-1);
      expect(built?.config.Env).toEqual([
        expect.stringMatching(/^PATH=/),
        `V=${value}`,
        'W=w',
        `SECOND=${value}`,
      ]);
    }
  },
);
