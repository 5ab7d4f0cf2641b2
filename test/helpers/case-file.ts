/** Builds as data: the files `test/conformance/dockerfiles/*.txt`, whose form the README there tells. */
import { readFileSync } from 'node:fs';

/** A file, directory or link that a case needs, or the members of an archive. */
export interface CaseEntry {
  /** `name` in the context, `@side/name` beside it, `@http/name` on the file server. */
  readonly path: string;
  readonly kind: 'file' | 'dir' | 'symlink' | 'hardlink' | 'archive';
  readonly mode: number | undefined;
  readonly target: string;
  /** `key` or `key=value` of its line. */
  readonly options: ReadonlyMap<string, string>;
  readonly text: string;
}

/** A difference that is meant: where it is, what bld has, what the peer has, and why that of bld is right. */
export interface Difference {
  readonly key: string;
  readonly own: string;
  readonly peer: string;
  readonly why: string;
}

export interface BuildCase {
  readonly name: string;
  /** Features of features.txt. */
  readonly covers: readonly string[];
  readonly flags: readonly string[];
  /** What the peer gets in place of `flags`. */
  readonly peerFlags: readonly string[];
  /** An entry that is fed to standard input, or `context`: a tar of the context. */
  readonly stdin: string | undefined;
  /** The context's word, when it is not its directory. */
  readonly context: string | undefined;
  /** The code and a part of the message that bld fails with. */
  readonly fails: { readonly code: string; readonly says: string } | undefined;
  /** Engines before this version build it otherwise, or cannot. */
  readonly since: number;
  /** Who cannot build it: the kernel forbids what it does. */
  readonly notAs: readonly string[];
  /** Paths whose time is compared. */
  readonly times: readonly string[];
  readonly differences: readonly Difference[];
  readonly entries: readonly CaseEntry[];
}

/** All cases of a file, in its order. Throws what is wrong with it. */
export function readCases(file: string): BuildCase[] {
  const [, ...parts] = `\n${readFileSync(file, 'utf8')}`.split(/\n=== /);
  return parts.map((part) => parseCase(`${part}\n`, file));
}

function parseCase(text: string, file: string): BuildCase {
  const [head = '', ...sections] = text.split(/^--- /m);
  const [name = '', ...lines] = head.trim().split('\n');
  const fields = lines.filter((line) => line && !line.startsWith('#')).map(field);
  const all = (key: string) => fields.filter((one) => one.key === key).map(({ value }) => value);
  const words = (key: string) => all(key).flatMap(wordsOf);
  const known = [
    'covers',
    'flags',
    'peer-flags',
    'stdin',
    'context',
    'fails',
    'not-as',
    'since',
    'times',
    'differs',
    'why',
  ];
  const strange = fields.find(({ key }) => !known.includes(key));
  if (strange) throw new Error(`${file}: ${name}: what is ${strange.key}?`);
  const [, code = '', says = ''] = /^(E_[A-Z_]+)(?: (.*))?$/.exec(all('fails')[0] ?? '') ?? [];
  const why = all('why');
  return {
    name,
    covers: words('covers'),
    flags: words('flags'),
    peerFlags: all('peer-flags').length > 0 ? words('peer-flags') : words('flags'),
    stdin: all('stdin')[0],
    context: all('context')[0],
    fails: code ? { code, says } : undefined,
    since: Number(all('since')[0] ?? 0),
    notAs: words('not-as'),
    times: words('times'),
    differences: all('differs').map((line, index) => differenceOf(line, why[index] ?? '')),
    entries: sections.map(parseEntry),
  };
}

function field(line: string): { readonly key: string; readonly value: string } {
  const [, key = line, value = ''] = /^([a-z-]+): ?(.*)$/.exec(line) ?? [];
  return { key, value };
}

function wordsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}

/** `KEY | what bld has | what the peer has`. */
function differenceOf(line: string, why: string): Difference {
  const [key = '', own = '', peer = ''] = line
    .split(' | ')
    .map((word) => (word.includes('"') ? word : word.replaceAll('\\n', '\n')));
  if (!peer || !why) throw new Error(`a difference needs both sides and a reason: ${line}`);
  return { key, own, peer, why };
}

function parseEntry(section: string): CaseEntry {
  const end = section.indexOf('\n');
  const [path = '', ...rest] = wordsOf(section.slice(0, end));
  const arrow = rest.findIndex((word) => word === '->' || word === '=>');
  const plain = arrow < 0 ? rest : rest.slice(0, arrow);
  const mode = plain.find((word) => /^0[0-7]+$/.test(word));
  const options = plain.filter((word) => word !== mode).map((word) => word.split(/=(.*)/s));
  const kind =
    arrow >= 0 ? (rest[arrow] === '->' ? 'symlink' : 'hardlink') : path.endsWith('/') ? 'dir' : 'file';
  const map = new Map(options.map(([key = '', value = '']) => [key, value]));
  return {
    path: path.replace(/\/$/, ''),
    kind: map.has('tar') ? 'archive' : kind,
    mode: mode === undefined ? undefined : Number.parseInt(mode, 8),
    target: arrow < 0 ? '' : (rest[arrow + 1] ?? ''),
    options: map,
    text: section.slice(end + 1).replace(/\n\n*$/, '\n'),
  };
}
