import { didYouMean } from '../base/suggest.ts';
import { Complaint } from './errors.ts';

/** Linux on x86-64 and arm64, in the order of their numbers from 1. */
const NAMES = [
  'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG',
  'XCPU XFSZ VTALRM PROF WINCH IO PWR SYS',
]
  .join(' ')
  .split(' ');
const ALIASES: Readonly<Record<string, number>> = { IOT: 6, CLD: 17, POLL: 29 };
const FIRST_REALTIME = 34;
const LAST_REALTIME = 64;

/** A signal's number by name (`SIGTERM`, `term`, `RTMIN+3`) or number; throws a Complaint for what is none. */
export function signalNumber(text: string): number {
  if (/^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= LAST_REALTIME) return Number(text);
  const name = text.toUpperCase().replace(/^SIG/, '');
  const index = NAMES.indexOf(name);
  if (index >= 0) return index + 1;
  const alias = Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined;
  if (alias !== undefined) return alias;
  const [, base, sign, offset = '0'] = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name) ?? [];
  const origin = base === 'MAX' ? LAST_REALTIME : FIRST_REALTIME;
  const number = base === undefined ? 0 : origin + Number(offset) * (sign === '-' ? -1 : 1);
  if (number >= FIRST_REALTIME && number <= LAST_REALTIME) return number;
  throw new Complaint(`invalid signal: ${text}${didYouMean(name, NAMES)}`, { near: text });
}
