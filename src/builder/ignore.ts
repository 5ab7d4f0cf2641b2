import { readFileSync } from 'node:fs';
import { BldError, explain } from '../base/errors.ts';
import { type IgnoreMatcher, ignoreMatcher, parseIgnoreFile } from '../dockerfile/ignore.ts';
import type { Rules } from './copy-tree.ts';

/** What an ignore file and exclude patterns leave of the sources. Paths are below the context's root, latin1 bytes. */
export interface Filter {
  /** False when a source itself is left out. */
  wants(path: string): boolean;
  /** As `wants`, for a directory: true as well when something in it is not left out. */
  holds(path: string): boolean;
  /** The rule for what lies below a source directory. */
  below(path: string): Rules['wanted'];
  /** True when `leaveOut` names a source itself. */
  leavesOut(name: Buffer): boolean;
  /** Why `wants` said no, for a hint. */
  reason(path: string): string;
}

const all: Filter = {
  wants: () => true,
  holds: () => true,
  leavesOut: () => false,
  below: () => () => true,
  reason: () => '',
};

const text = (path: string | Buffer) =>
  (Buffer.isBuffer(path) ? path : Buffer.from(path, 'latin1')).toString();

/** The filter of a copy: patterns of the file and of `--exclude`, both from the context's root on. */
export function filterOf(options: {
  readonly ignoreFile?: string | undefined;
  /** In place of the file: what it says. */
  readonly ignore?: IgnoreMatcher | undefined;
  readonly exclude?: readonly string[] | undefined;
  /** As `exclude`, from each source directory on. */
  readonly leaveOut?: readonly string[] | undefined;
}): Filter {
  const { ignoreFile, ignore, exclude = [], leaveOut = [] } = options;
  const matchers: IgnoreMatcher[] = ignore ? [ignore] : [];
  if (ignoreFile !== undefined) matchers.push(parseIgnoreFile(readIgnore(ignoreFile), ignoreFile));
  if (exclude.length > 0) matchers.push(patterns(exclude));
  const own = leaveOut.length > 0 ? patterns(leaveOut) : null;
  return matchers.length === 0 && !own ? all : filter(matchers, { file: ignoreFile, own });
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

interface FilterParts {
  readonly file: string | undefined;
  /** Matches below each source instead of below the root. */
  readonly own: IgnoreMatcher | null;
}

function filter(matchers: readonly IgnoreMatcher[], { file, own }: FilterParts): Filter {
  const excluded = (path: string) => matchers.some((matcher) => matcher.excluded(path));
  const may = (matcher: IgnoreMatcher, at: string) => !matcher.excluded(at) || matcher.mayContainIncluded(at);
  return {
    wants: (path) => !excluded(text(path)),
    holds: (path) => matchers.every((matcher) => may(matcher, text(path))),
    leavesOut: (name) => own?.excluded(text(name)) ?? false,
    below(base) {
      const prefix = text(base);
      return (path, directory) => {
        const full = prefix ? `${prefix}/${text(path)}` : text(path);
        const below = text(path);
        if (!excluded(full) && !own?.excluded(below)) return true;
        const inside =
          directory && matchers.every((matcher) => may(matcher, full)) && (!own || may(own, below));
        return inside ? 'look inside' : false;
      };
    },
    reason(path) {
      for (const matcher of matchers) {
        const rule = matcher.excludedBy(text(path));
        if (rule?.line) return `${file ?? matcher.file}:${rule.line} excludes it: ${rule.pattern}`;
        if (rule) return `the pattern ${rule.pattern} excludes it`;
      }
      return '';
    },
  };
}
