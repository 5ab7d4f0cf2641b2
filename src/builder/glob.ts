import { constants } from 'node:fs';
import { type Fd, sys } from '../native/sys.ts';

const SLASH = '/';

/** True when the text has a wildcard of Go's filepath.Match (the language of COPY sources). */
export function hasWildcard(pattern: string): boolean {
  return /[*?[\\]/.test(pattern);
}

/** One path component's pattern as an expression: `*` and `?` stop at nothing here, for a name holds no slash. */
function componentPattern(pattern: string): RegExp {
  let source = '';
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern.charAt(at);
    if (char === '*') source += '.*';
    else if (char === '?') source += '.';
    else if (char === '\\' && at + 1 < pattern.length) source += escaped(pattern.charAt(++at));
    else if (char === '[') {
      const end = pattern.indexOf(']', at + 2);
      if (end < 0) source += '\\[';
      else {
        const body = pattern.slice(at + 1, end);
        const negated = body.startsWith('^');
        source += `[${negated ? '^' : ''}${(negated ? body.slice(1) : body).replace(/[\\\]^]/g, '\\$&')}]`;
        at = end;
      }
    } else source += escaped(char);
  }
  return new RegExp(`^${source}$`, 's');
}

function escaped(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
}

function names(root: Fd, path: string): string[] {
  const dir = sys().openIn(
    root,
    Buffer.from(path || '.', 'latin1'),
    constants.O_RDONLY | constants.O_DIRECTORY,
  );
  try {
    return sys()
      .readDir(dir)
      .map((entry) => entry.name.toString('latin1'))
      .sort();
  } finally {
    sys().close(dir);
  }
}

function isDirectory(root: Fd, path: string): boolean {
  try {
    const fd = sys().openIn(
      root,
      Buffer.from(path || '.', 'latin1'),
      constants.O_RDONLY | constants.O_DIRECTORY,
    );
    sys().close(fd);
    return true;
  } catch {
    return false;
  }
}

/**
 * The paths below `root` that match, sorted, as latin1 text of their bytes (so that names which are not UTF-8
 * survive). The pattern has no `..`. Wildcards never cross a slash, but `**` as a whole component stands for any depth where `deep`. Never leaves `root`.
 */
export function glob(root: Fd, pattern: string, deep = true): string[] {
  const parts = Buffer.from(pattern, 'utf8')
    .toString('latin1')
    .split(SLASH)
    .filter((part) => part !== '' && part !== '.');
  let found = [''];
  for (const [index, part] of parts.entries()) {
    const last = index === parts.length - 1;
    const next: string[] = [];
    for (const base of found) {
      const join = (name: string) => (base ? `${base}/${name}` : name);
      if (part === '**' && deep) {
        next.push(base, ...descendants(root, base));
      } else if (!hasWildcard(part)) {
        const path = join(part);
        if (last ? exists(root, path) : isDirectory(root, path)) next.push(path);
      } else if (isDirectory(root, base)) {
        const expression = componentPattern(part);
        for (const name of names(root, base)) if (expression.test(name)) next.push(join(name));
      }
    }
    found = last ? next : next.filter((path) => isDirectory(root, path));
  }
  return [...new Set(found)].filter(Boolean).sort();
}

function exists(root: Fd, path: string): boolean {
  const slash = path.lastIndexOf('/');
  const parent = sys().openIn(
    root,
    Buffer.from(slash < 0 ? '.' : path.slice(0, slash) || '.', 'latin1'),
    constants.O_RDONLY | constants.O_DIRECTORY,
  );
  try {
    return sys().stat(parent, Buffer.from(path.slice(slash + 1), 'latin1')) !== null;
  } finally {
    sys().close(parent);
  }
}

/** Directories below, not through links, the way `**` walks. */
function descendants(root: Fd, base: string): string[] {
  if (!isDirectory(root, base)) return [];
  const dir = sys().openIn(
    root,
    Buffer.from(base || '.', 'latin1'),
    constants.O_RDONLY | constants.O_DIRECTORY,
  );
  let below: string[];
  try {
    below = sys()
      .readDir(dir)
      .filter((entry) => (entry.type ?? sys().stat(dir, entry.name)?.type) === 'dir')
      .map((entry) => entry.name.toString('latin1'));
  } finally {
    sys().close(dir);
  }
  return below.flatMap((name) => {
    const path = base ? `${base}/${name}` : name;
    return [path, ...descendants(root, path)];
  });
}
