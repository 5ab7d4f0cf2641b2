import { BldError } from '../base/errors.ts';
import { nearest } from '../base/suggest.ts';
import type { Rlimit } from './spec.ts';

/** RLIMIT_*, the same numbers on the processors that we know. */
const RESOURCES: Readonly<Record<string, number>> = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
};

/** RLIM_INFINITY as the kernel has it. */
const INFINITY = 0xffff_ffff_ffff_ffffn;

export function rlimitNumber(name: string): number {
  const number = Object.hasOwn(RESOURCES, name) ? RESOURCES[name] : undefined;
  if (number !== undefined) return number;
  const near = nearest(name, Object.keys(RESOURCES));
  throw new BldError('E_USAGE', `unknown limit ${JSON.stringify(name)}`, {
    hint: near ? `did you mean ${near}?` : `one of ${Object.keys(RESOURCES).join(', ')}`,
  });
}

/** The kernel's value: -1 is unlimited. */
export function rlimitValue(value: number): bigint {
  return value < 0 ? INFINITY : BigInt(value);
}

function parseValue(text: string, whole: string): number {
  if (text === '-1' || text === 'unlimited') return -1;
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new BldError('E_USAGE', `malformed limit ${JSON.stringify(whole)}`, {
    hint: 'write --ulimit nofile=1024:2048',
  });
}

/** `name=soft[:hard]` of `--ulimit`; `-1` for unlimited, which is kept as -1. */
export function parseRlimit(text: string): Rlimit {
  const [, name = '', softText = '', hardText] = /^([^=]*)=([^:]*)(?::(.*))?$/.exec(text) ?? [];
  rlimitNumber(name);
  const soft = parseValue(softText, text);
  const hard = hardText === undefined ? soft : parseValue(hardText, text);
  if (hard >= 0 && (soft < 0 || soft > hard)) {
    throw new BldError('E_USAGE', `the soft limit is above the hard one in ${JSON.stringify(text)}`);
  }
  return { name, soft, hard };
}
