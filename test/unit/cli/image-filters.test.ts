import { describe, expect, test } from 'vitest';
import { imageTests } from '../../../src/cli/image-filters.ts';
import type { ImageRecord, Store } from '../../../src/store/types.ts';

function image(number: number, ...names: readonly string[]): ImageRecord {
  return {
    id: `sha256:${String(number).padStart(64, 'a')}`,
    created: number * 1000,
    layers: [],
    names,
    pastNames: [],
    intermediate: number === 9,
    data: {},
  };
}

const images = [
  image(1, 'localhost/app:1'),
  image(2, 'registry.test:5000/team/app:2', 'registry.test:5000/team/app:latest'),
  image(3, 'docker.io/library/alpine:3.20'),
  image(4),
  image(9),
];

const store = {
  images: {
    find: (name: string) => images.find(({ names }) => names.includes(name)) ?? null,
    findIndex: () => null,
  },
} as unknown as Store;

async function select(...filters: readonly string[]): Promise<readonly number[]> {
  const tests = await imageTests(store, filters);
  return images.filter((one) => tests.every((holds) => holds(one))).map(({ created }) => created / 1000);
}

describe('filters of images', () => {
  test.each<[string[], number[]]>([
    [['dangling=true'], [4, 9]],
    [['dangling=false'], [1, 2, 3]],
    [['dangling!=true'], [1, 2, 3]],
    [['intermediate=true'], [9]],
    [['readonly=true'], []],
    [['readonly=false'], [1, 2, 3, 4, 9]],
    [['reference=app'], [1, 2]],
    [['reference=app:1'], [1]],
    [['reference=*/app'], [1, 2]],
    [['reference=registry.test:5000/**'], [2]],
    [['reference=*'], [1, 2, 3]],
    [['reference=alp?ne:3.[0-9]*'], [3]],
    [['reference=alpine:3.[!2]*'], []],
    [['reference=al.ine'], []],
    [['since=localhost/app:1'], [2, 3, 4, 9]],
    [
      ['after=localhost/app:1', 'dangling=false'],
      [2, 3],
    ],
    [['before=docker.io/library/alpine:3.20'], [1, 2]],
    [['id=aaaa'], [1, 2, 3, 4, 9]],
    [['id=bbb'], []],
  ])('%j', async (filters, numbers) => expect(await select(...filters)).toEqual(numbers));

  test.each([
    ['x', 'invalid image filter "x": must be in the format "filter=value or filter!=value"'],
    ['nosuch=1', 'invalid image filter "nosuch": must be in the format'],
    ['dangling=maybe', 'non-boolean value "maybe" for the filter dangling'],
    ['since=nosuch', 'could not find local image for filter "since"="nosuch": nosuch: image not known'],
  ])('%s is refused', async (filter, message) => {
    await expect(select(filter)).rejects.toThrow(message);
  });
});
