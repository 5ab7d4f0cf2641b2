import fc from 'fast-check';
import { expect, test } from 'vitest';
import { filterOf } from '../../../src/builder/ignore.ts';
import { ignoreMatcher } from '../../../src/dockerfile/ignore.ts';
import { mobyExcludes, somePath, somePatterns } from '../dockerfile/ignore-reference.ts';

/** Paths of a tree, directories before what is in them. */
function treeOf(files: readonly string[]): Map<string, readonly string[]> {
  const tree = new Map<string, Set<string>>([['', new Set()]]);
  for (const file of files) {
    const names = file.split('/');
    for (let depth = 1; depth <= names.length; depth++) {
      const [above, path] = [names.slice(0, depth - 1).join('/'), names.slice(0, depth).join('/')];
      tree.set(above, (tree.get(above) ?? new Set()).add(path));
    }
  }
  return new Map([...tree].map(([directory, paths]) => [directory, [...paths]]));
}

/** What a walk takes that goes into a directory only where the rule says so. */
function walked(tree: ReturnType<typeof treeOf>, wanted: ReturnType<ReturnType<typeof filterOf>['below']>) {
  const taken: string[] = [];
  const enter = (directory: string) => {
    for (const path of tree.get(directory) ?? []) {
      const isDirectory = tree.has(path);
      const answer = wanted(Buffer.from(path), isDirectory);
      if (answer === true) taken.push(path);
      if (isDirectory && answer !== false) enter(path);
    }
  };
  enter('');
  return taken.sort();
}

test('a walk that leaves trees out takes what a walk of everything takes', () => {
  fc.assert(
    fc.property(
      fc.array(somePath, { maxLength: 12 }),
      somePatterns,
      somePatterns,
      (files, ignored, exclude) => {
        const tree = treeOf(files);
        const filter = filterOf({ ignore: ignoreMatcher(ignored), exclude });
        const everything = [...tree.values()].flat();
        const kept = everything.filter(
          (path) => !mobyExcludes(ignored, path) && !mobyExcludes(exclude, path),
        );
        expect(walked(tree, filter.below(''))).toEqual(kept.sort());
      },
    ),
    { numRuns: 1500 },
  );
});

test('a source below the root is filtered by its whole path', () => {
  fc.assert(
    fc.property(fc.array(somePath, { maxLength: 8 }), somePatterns, (files, ignored) => {
      const below = files.map((file) => `a/b/${file}`);
      const tree = treeOf(files);
      const filter = filterOf({ ignore: ignoreMatcher(ignored) });
      const kept = [...treeOf(below).values()]
        .flat()
        .filter((path) => path.length > 3 && !mobyExcludes(ignored, path))
        .map((path) => path.slice(4));
      expect(walked(tree, filter.below('a/b'))).toEqual(kept.sort());
    }),
    { numRuns: 500 },
  );
});
