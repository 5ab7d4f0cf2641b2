import { readFileSync } from 'node:fs';
import { BldError, explain } from '../base/errors.ts';
import { type IgnoreMatcher, ignoreMatcher, parseIgnoreFile } from '../dockerfile/ignore.ts';
import type { Rules } from './copy-tree.ts';

/** What an ignore file and exclude patterns leave of the sources. Paths are below the context's root, latin1 bytes. */
export interface Filter {
  /** False when a source itself is left out. */
  wants(path: string): boolean;
  /** The rule for what lies below a source directory. */
  below(path: string): Rules['wanted'];
  /** Why `wants` said no, for a hint. */
  reason(path: string): string;
}

const all: Filter = { wants: () => true, below: () => () => true, reason: () => '' };

const text = (path: string | Buffer) =>
  (Buffer.isBuffer(path) ? path : Buffer.from(path, 'latin1')).toString();

/** The filter of a copy: patterns of the file and of `--exclude`, both from the context's root on. */
export function filterOf(options: {
  readonly ignoreFile?: string | undefined;
  /** In place of the file: what it says. */
  readonly ignore?: IgnoreMatcher | undefined;
  readonly exclude?: readonly string[] | undefined;
}): Filter {
  const { ignoreFile, ignore, exclude = [] } = options;
  const matchers: IgnoreMatcher[] = ignore ? [ignore] : [];
  if (ignoreFile !== undefined) matchers.push(parseIgnoreFile(readIgnore(ignoreFile), ignoreFile));
  if (exclude.length > 0) matchers.push(patterns(exclude));
  return matchers.length === 0 ? all : filter(matchers, ignoreFile);
}

function patterns(exclude: readonly string[]): IgnoreMatcher {
  try {
    return ignoreMatcher(exclude);
  } catch (error) {
    throw new BldError('E_USAGE', `--exclude: ${(error as Error).message}`, { cause: error });
  }
}

function readIgnore(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw explain(error, `reading the ignore file ${path}`);
  }
}

function filter(matchers: readonly IgnoreMatcher[], file: string | undefined): Filter {
  const excluded = (path: string) => matchers.some((matcher) => matcher.excluded(path));
  return {
    wants: (path) => !excluded(text(path)),
    below(base) {
      const prefix = text(base);
      return (path, directory) => {
        const full = prefix ? `${prefix}/${text(path)}` : text(path);
        if (!excluded(full)) return true;
        const inside =
          directory &&
          matchers.every((matcher) => !matcher.excluded(full) || matcher.mayContainIncluded(full));
        return inside ? 'look inside' : false;
      };
    },
    reason(path) {
      for (const matcher of matchers) {
        const rule = matcher.excludedBy(text(path));
        if (rule?.line) return `${file}:${rule.line} excludes it: ${rule.pattern}`;
        if (rule) return `the pattern ${rule.pattern} excludes it`;
      }
      return '';
    },
  };
}
