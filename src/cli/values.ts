/** Readers of flag values: pure, text in, value out; what they refuse is an E_USAGE whose message says what is expected. */
import { BldError } from '../base/errors.ts';

function refuse(expected: string): never {
  throw new BldError('E_USAGE', expected);
}

/** Go's ParseBool: 1, t, true, TRUE, True and their opposites. */
export function readBool(text: string): boolean {
  if (/^(?:1|t|T|true|TRUE|True)$/.test(text)) return true;
  if (/^(?:0|f|F|false|FALSE|False)$/.test(text)) return false;
  return refuse('neither true nor false');
}

/** A whole number; 0x, 0o and 0b prefixes count. */
export function readInteger(text: string): number {
  const match = /^([+-]?)(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|\d+)$/.exec(text);
  const size = match?.[2] === undefined ? Number.NaN : Number(match[2]);
  if (!Number.isSafeInteger(size)) return refuse('not a whole number');
  return match?.[1] === '-' ? -size : size;
}

/** A whole number of at least `min`. */
export function readAtLeast(min: number): (text: string) => number {
  return (text) => {
    const number = readInteger(text);
    return number < min ? refuse(`less than ${min}`) : number;
  };
}

const UNIT = 'kmgtpe';

/** Bytes: `65536`, `64k`, `1.5g`, `512MiB`; units are powers of 1024. */
export function readSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?(?:([kmgtpe])(?:i?b)?|b)?$/i.exec(text);
  if (!match) return refuse('not a size: give a number with b, k, m or g, as in 64m');
  const power = match[2] ? UNIT.indexOf(match[2].toLowerCase()) + 1 : 0;
  const bytes = Math.floor(Number(match[1]) * 1024 ** power);
  return Number.isSafeInteger(bytes) ? bytes : refuse('too large');
}

/** As `readSize`, and -1 for no limit. */
export function readSizeOrUnlimited(text: string): number {
  return text === '-1' ? -1 : readSize(text);
}

const DURATION: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** A Go duration (`1h30m`, `2s`, `1.5ms`, `0`) in milliseconds. */
export function readDuration(text: string): number {
  const match = /^([+-]?)((?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|0)$/.exec(text);
  if (match?.[2] === undefined) return refuse('not a duration: give one like 30s, 5m or 1h30m');
  let total = 0;
  for (const [, count, unit] of match[2].matchAll(/([\d.]+)([a-zµμ]+)/g)) {
    total += Number(count) * (DURATION[unit ?? ''] ?? 0);
  }
  return match[1] === '-' ? -total : total;
}

/** A duration that is not below zero; days (`7d`, also before the rest) are taken too. */
export function readSpan(text: string): number {
  const [, days = '0', rest = ''] = /^(?:(\d+)d)?(.*)$/s.exec(text) ?? [];
  const total = Number(days) * 86_400_000 + (rest === '' && text !== '' ? 0 : readDuration(rest));
  return total < 0 ? refuse('less than 0') : total;
}

export interface Ulimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

const ULIMITS = new Set(
  'core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(
    ' ',
  ),
);

/** `type=soft[:hard]`; -1 or `unlimited` for none. */
export function readUlimit(text: string): Ulimit {
  const match = /^([a-z]+)=(-1|\d+|unlimited)(?::(-1|\d+|unlimited))?$/.exec(text);
  if (!match) return refuse('not an ulimit: give type=soft[:hard], as in nofile=1024:2048');
  const name = match[1] ?? '';
  if (!ULIMITS.has(name)) return refuse(`unknown ulimit type "${name}": known are ${[...ULIMITS].join(' ')}`);
  const number = (part: string) => (part === 'unlimited' ? -1 : Number(part));
  const soft = number(match[2] ?? '');
  const hard = match[3] === undefined ? soft : number(match[3]);
  if (hard !== -1 && (soft === -1 || soft > hard)) return refuse('the soft limit is above the hard one');
  return { name, soft, hard };
}

/** `name:address`, the address may be IPv6 with or without brackets. */
export function readHost(text: string): readonly [name: string, address: string] {
  const match = /^([^:=\s]+)[:=](\[[0-9a-fA-F:.]+\]|[0-9a-fA-F:.]+|host-gateway)$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) return refuse('expected name:address');
  return [match[1], match[2].replace(/^\[|\]$/g, '')];
}

/** One of the given words. */
export function readChoice<const W extends string>(...words: readonly W[]): (text: string) => W {
  return (text) => words.find((word) => word === text) ?? refuse(`expected one of ${words.join(', ')}`);
}

/** What `--allow` lets RUNs ask for. */
export function readEntitlement(text: string): string {
  if (['security.insecure', 'network.host', 'device'].includes(text) || /^device=\//.test(text)) return text;
  return refuse('expected security.insecure, network.host, device or device=PATH');
}

export type PullPolicy = 'always' | 'missing' | 'never' | 'newer';

const POLICIES: Readonly<Record<string, PullPolicy>> = {
  always: 'always',
  true: 'always',
  missing: 'missing',
  ifmissing: 'missing',
  notpresent: 'missing',
  never: 'never',
  false: 'never',
  newer: 'newer',
  ifnewer: 'newer',
};

/** When a registry is asked: Buildah's words and their synonyms. */
export function readPullPolicy(text: string): PullPolicy {
  return POLICIES[text.toLowerCase()] ?? refuse('expected one of always, missing, never, newer');
}

/** Seconds since 1970. */
export function readSeconds(text: string): number {
  const seconds = readInteger(text);
  return seconds < 0 ? refuse('before 1970') : seconds;
}

/** As `readSeconds`, or the word for the date of the context. */
export function readEpoch(text: string): number | 'context' {
  return text === 'context' ? text : readSeconds(text);
}

/** `user[:password]`; the password is asked for where it is needed. */
export function readCredentials(text: string): { readonly username: string; readonly password?: string } {
  const at = text.indexOf(':');
  if (text === '' || at === 0) return refuse('expected user[:password]');
  if (at < 0) return { username: text };
  return { username: text.slice(0, at), password: text.slice(at + 1) };
}

/** One record of comma separated values: quotes protect commas, a doubled quote is a quote (RFC 4180). */
export function splitCsv(text: string): string[] {
  if (text === '') return [];
  const fields: string[] = [];
  const pattern = /(?:"((?:[^"]|"")*)"|([^,"]*))(,|$)/y;
  for (;;) {
    const match = pattern.exec(text);
    if (!match) return refuse('a quote is not where a value begins or ends');
    fields.push(match[1] === undefined ? (match[2] ?? '') : match[1].replaceAll('""', '"'));
    if (match[3] === '') return fields;
  }
}
