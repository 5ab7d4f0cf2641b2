import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { BldError } from '../../../src/base/errors.ts';
import { inspectType } from '../../../src/cli/inspect-type.ts';
import { compileTemplate } from '../../../src/cli/template.ts';

const golden = join(import.meta.dirname, '../../golden');
const image: unknown = JSON.parse(readFileSync(join(golden, 'format/image.json'), 'utf8'));

function rows(): { template: string; expected: string }[] {
  const lines = readFileSync(join(golden, 'format.txt'), 'utf8').split('\n');
  return lines.flatMap((line, at) => {
    const template = lines[at - 1];
    if (!line.startsWith('=> ') || template === undefined) return [];
    return [{ template, expected: JSON.parse(line.slice(3)) as string }];
  });
}

function answer(template: string): string {
  try {
    return compileTemplate('inspect', template).execute(image, inspectType);
  } catch (error) {
    if (!(error instanceof BldError)) throw error;
    return `!Error: ${error.message}`;
  }
}

describe("templates give Buildah's own results", () => {
  const all = rows();
  test('the table is whole', () => expect(all.length).toBeGreaterThan(100));
  test.each(all)('$template', ({ template, expected }) => {
    expect(answer(template)).toBe(expected);
  });
});
