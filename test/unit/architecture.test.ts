import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const SRC = resolve(import.meta.dirname, '../../src');

/** What each room may import besides itself; `main` and `index` are the two doors of the house. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  main: ['cli', 'builder', 'native', 'base'],
  index: ['builder', 'images', 'base'],
  cli: ['builder', 'images', 'registry', 'store', 'dockerfile', 'native', 'base'],
  builder: ['dockerfile', 'layers', 'images', 'registry', 'runtime', 'store', 'native', 'base'],
  dockerfile: ['base'],
  images: ['layers', 'registry', 'store', 'base'],
  runtime: ['native', 'base'],
  layers: ['store', 'native', 'base'],
  registry: ['base'],
  store: ['native', 'base'],
  native: ['base'],
  base: [],
};

function sources(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    if (statSync(path).isDirectory()) return sources(path);
    return name.endsWith('.ts') ? [path] : [];
  });
}

function roomOf(path: string): string {
  const [first = ''] = relative(SRC, path).split('/');
  return first.replace(/\.ts$/, '');
}

interface Import {
  readonly file: string;
  readonly target: string;
}

/** `import … from 'x'`, `export … from 'x'`, `import 'x'`, and `import('x')` wherever it stands. */
const IMPORT = /^(?:import|export)\b(?:[^;'"]*?\bfrom)?\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm;

const files = sources(SRC);
const imports: Import[] = files.flatMap((file) =>
  [...readFileSync(file, 'utf8').matchAll(IMPORT)].map((match) => ({
    file: relative(SRC, file),
    target: match[1] ?? match[2] ?? '',
  })),
);

describe('rooms', () => {
  test('import only downwards, and only what is granted', () => {
    const wrong = imports.flatMap(({ file, target }) => {
      if (!target.startsWith('.')) return [];
      const from = roomOf(join(SRC, file));
      const to = roomOf(resolve(SRC, file, '..', target));
      if (from === to || ALLOWED[from]?.includes(to)) return [];
      return [`${file} → ${target}`];
    });
    expect(wrong).toEqual([]);
  });

  test('only transports of the images room speak to registries', () => {
    const wrong = imports
      .filter(({ file, target }) => file.startsWith('images/') && /\.\.\/registry\//.test(target))
      .filter(({ file }) => !file.startsWith('images/transports/'))
      .map(({ file, target }) => `${file} → ${target}`);
    expect(wrong).toEqual([]);
  });

  test('each third-party package is imported by one file', () => {
    const users = new Map<string, Set<string>>();
    for (const { file, target } of imports) {
      if (target.startsWith('.') || target.startsWith('node:')) continue;
      const name = target
        .split('/')
        .slice(0, target.startsWith('@') ? 2 : 1)
        .join('/');
      users.set(name, (users.get(name) ?? new Set()).add(file));
    }
    const shared = [...users].filter(([, by]) => by.size > 1).map(([name, by]) => [name, [...by]]);
    expect(shared).toEqual([]);
  });

  test('base imports nothing but node:', () => {
    const wrong = imports.filter(
      ({ file, target }) =>
        file.startsWith('base/') && !target.startsWith('node:') && !target.startsWith('./'),
    );
    expect(wrong.filter(({ file }) => file !== 'base/toml.ts')).toEqual([]);
  });
});

describe('house rules', () => {
  test('only main.ts ends the process', () => {
    const wrong = files.filter(
      (file) => /process\.exit\(/.test(readFileSync(file, 'utf8')) && relative(SRC, file) !== 'main.ts',
    );
    expect(wrong).toEqual([]);
  });

  test('no file is longer than 500 lines, nine in ten under 300', () => {
    const lengths = files.map((file) => readFileSync(file, 'utf8').split('\n').length).sort((a, b) => a - b);
    expect(lengths.at(-1)).toBeLessThanOrEqual(500);
    expect(lengths[Math.floor(lengths.length * 0.9)]).toBeLessThanOrEqual(300);
  });
});
