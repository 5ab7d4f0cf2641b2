import { expect, test } from 'vitest';
import { nextLink } from '../../../src/registry/tags.ts';
import { TestRegistry } from '../../helpers/registry.ts';
import { MANIFEST, repositoryOf } from './fixtures.ts';

async function list(registry: TestRegistry): Promise<string[]> {
  const tags: string[] = [];
  for await (const tag of repositoryOf(registry).listTags()) tags.push(tag);
  return tags;
}

test('all pages', async () => {
  await using registry = await TestRegistry.start({ pageSize: 3 });
  const tags = Array.from({ length: 8 }, (_, index) => `v${index}`);
  for (const tag of tags) registry.addManifest('a/b', tag, { mediaType: MANIFEST, bytes: '{}' });
  expect(await list(registry)).toEqual(tags);
});

test('nulls, digests and paths are left out', async () => {
  const body = JSON.stringify({ tags: [null, 'a', `sha256:${'a'.repeat(64)}`, '../../x', '-x', 7, 'b'] });
  await using registry = await TestRegistry.start({
    rules: [{ path: /tags/, answer: { status: 200, body } }],
  });
  expect(await list(registry)).toEqual(['a', 'b']);
});

test.each(['{"tags":null}', '{}', 'null'])('no tags in %s', async (body) => {
  await using registry = await TestRegistry.start({
    rules: [{ path: /tags/, answer: { status: 200, body } }],
  });
  expect(await list(registry)).toEqual([]);
});

test('a page that leads to itself, or elsewhere, is refused', async () => {
  const page = (link: string) => ({
    path: /tags/,
    answer: { status: 200, headers: { link }, body: '{"tags":["a"]}' },
  });
  await using registry = await TestRegistry.start({ rules: [page('</v2/a/b/tags/list?n=1000>; rel=next')] });
  await expect(list(registry)).rejects.toThrow('circle');
  registry.rules.add(page('<http://127.0.0.1:1/v2/x>; rel="next"'));
  await expect(list(registry)).rejects.toThrow('another host');
});

test('an unknown repository', async () => {
  await using registry = await TestRegistry.start();
  await expect(list(registry)).rejects.toMatchObject({
    status: 404,
    hint: expect.stringContaining('does not exist'),
  });
});

test('nextLink', () => {
  expect(nextLink('<a>; rel="prev", <b?x=1,2>; rel="next"')).toBe('b?x=1,2');
  expect(nextLink('<a>; title="x"; rel=next')).toBe('a');
  expect(nextLink('<a>; rel="nextish"')).toBeUndefined();
  expect(nextLink(null)).toBeUndefined();
});
