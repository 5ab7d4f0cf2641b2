import type { Result } from './case-builders.ts';
import type { Difference } from './case-file.ts';

/** One thing of a result: `Env`, `history`, `/path`, or `result` itself. */
type Things = ReadonlyMap<string, string>;

function thingsOf(result: Result): Things {
  if ('failure' in result) return new Map([['result', `fails: ${result.failure.kind}`]]);
  const { config, files, history } = result.image;
  return new Map([
    ['result', 'built'],
    ...Object.entries(config).map(([key, value]) => [key, JSON.stringify(sorted(value))] as const),
    ...Object.entries(files),
    ['history', history.join('\n')],
  ]);
}

/** Maps have no order. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([one], [two]) => (one < two ? -1 : 1)));
}

/** Where two results differ, as `KEY | what the first has | what the second has`; `as the base` where one has nothing. */
export function differencesOf(own: Result, peer: Result): string[] {
  const [mine, theirs] = [thingsOf(own), thingsOf(peer)];
  const keys = mine.get('result') === theirs.get('result') ? [...mine.keys(), ...theirs.keys()] : ['result'];
  const line = (key: string) =>
    `${key} | ${mine.get(key) ?? 'as the base'} | ${theirs.get(key) ?? 'as the base'}`;
  return [...new Set(keys)].filter((key) => mine.get(key) !== theirs.get(key)).map(line);
}

/** How a case tells of a difference that is meant. */
export function meant({ key, own, peer }: Difference): string {
  return `${key} | ${own} | ${peer}`;
}
