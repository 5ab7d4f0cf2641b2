import { posix } from 'node:path';
import { trim } from './characters.ts';
import { at, Complaint } from './errors.ts';
import { compilePattern, type PathPattern } from './ignore-pattern.ts';
import { linesRange, sourceOf, withoutMark } from './source.ts';

const KEPT_DIRECTORIES = 1000;

/** One line of an ignore file. */
export interface IgnoreRule {
  /** As normalised: cleaned, without a leading slash; `!` kept. */
  readonly pattern: string;
  /** `!`: takes back what earlier rules excluded. */
  readonly isInclusion: boolean;
  /** 1-based; 0 for a pattern that came by a flag. */
  readonly line: number;
}

/** Tells which paths (relative to the root, `/` between names, no leading `./`) are left out. */
export interface IgnoreMatcher {
  readonly rules: readonly IgnoreRule[];
  /** How errors call the file; nothing for patterns that came by flags. */
  readonly file?: string;
  /** The last rule that matches the path or a directory above it decides. */
  excluded(path: string): boolean;
  /** The rule that excludes the path; undefined when it is not excluded. */
  excludedBy(path: string): IgnoreRule | undefined;
  /** False when all of the directory's tree is excluded: it need not be walked. */
  mayContainIncluded(directory: string): boolean;
}

interface CompiledRule extends IgnoreRule {
  readonly path: PathPattern;
}

/** Reads a `.dockerignore`; throws DockerfileError at a malformed line. `name` is how errors call the file. */
export function parseIgnoreFile(text: string, name: string): IgnoreMatcher {
  const source = sourceOf(name, text);
  const rules: CompiledRule[] = [];
  for (const [index, line] of withoutMark(text).split('\n').entries()) {
    if (line.startsWith('#')) continue;
    const written = trim(line);
    if (written === '') continue;
    const range = linesRange(source, index + 1, index + 1);
    rules.push(at({ source, range }, () => compiledRule(written, index + 1)));
  }
  return { ...matcherOf(rules), file: name };
}

/** A matcher of patterns that came by flags (`COPY --exclude`); throws a Complaint for a malformed one. */
export function ignoreMatcher(patterns: readonly string[]): IgnoreMatcher {
  return matcherOf(
    patterns
      .map(trim)
      .filter((pattern) => pattern !== '')
      .map((pattern) => compiledRule(pattern, 0)),
  );
}

function compiledRule(written: string, line: number): CompiledRule {
  const isInclusion = written.startsWith('!');
  const plain = cleaned(isInclusion ? trim(written.slice(1)) : written);
  if (plain === '') throw new Complaint('illegal exclusion pattern: "!"', { near: '!' });
  return { pattern: isInclusion ? `!${plain}` : plain, isInclusion, line, path: compilePattern(plain) };
}

/** `./a//b/../c/` → `a/c`; one leading slash goes, for patterns start at the root anyway. */
function cleaned(pattern: string): string {
  if (pattern === '') return '';
  const normal = posix.normalize(pattern);
  const path = normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
  return path.length > 1 && path.startsWith('/') ? path.slice(1) : path;
}

function matcherOf(rules: readonly CompiledRule[]): IgnoreMatcher {
  const lastMatch = lastMatchOf(rules);
  const inclusions = rules.flatMap((rule, index) => (rule.isInclusion ? [{ rule, index }] : []));
  const shown = rules.map(({ pattern, isInclusion, line }) => ({ pattern, isInclusion, line }));
  const excludedBy = (path: string): IgnoreRule | undefined => {
    const rule = shown[lastMatch(path)];
    return rule && !rule.isInclusion ? rule : undefined;
  };
  return {
    rules: shown,
    excluded: (path) => excludedBy(path) !== undefined,
    excludedBy,
    mayContainIncluded(directory) {
      const last = lastMatch(directory);
      if (last < 0 || rules[last]?.isInclusion) return true;
      // An earlier `!` cannot help: the rule that excludes the directory excludes all below it as well.
      return inclusions.some(({ rule, index }) => index > last && rule.path.mayMatchBelow(directory));
    },
  };
}

/**
 * The index of the last rule that matches a path or a directory above it, -1 without one. Rules that are plain paths
 * are found by name. A walk asks for paths of one directory after the other: what holds for those above is kept.
 */
function lastMatchOf(rules: readonly CompiledRule[]): (path: string) => number {
  const plain = new Map<string, number>();
  const others: number[] = [];
  for (const [index, { path }] of rules.entries()) {
    if (path.exact === undefined) others.push(index);
    else plain.set(path.exact, index);
  }
  others.reverse();
  const known = new Map<string, number>();
  const lastOf = (path: string): number => {
    const slash = path.lastIndexOf('/');
    const above = slash < 0 ? -1 : directory(path.slice(0, slash));
    const best = Math.max(above, plain.get(path) ?? -1);
    return others.find((index) => index > best && rules[index]?.path.matches(path)) ?? best;
  };
  const directory = (path: string): number => {
    const before = known.get(path);
    if (before !== undefined) return before;
    const last = lastOf(path);
    if (known.size >= KEPT_DIRECTORIES) known.clear();
    known.set(path, last);
    return last;
  };
  return (path) => lastOf(path.replace(/^\/+|(?<!\/)\/+$/g, ''));
}
