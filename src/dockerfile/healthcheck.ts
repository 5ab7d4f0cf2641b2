import { isSpace, trim } from './characters.ts';
import { parseDuration } from './duration.ts';
import { Complaint } from './errors.ts';
import type { FlagValues } from './flags.ts';
import type { Healthcheck } from './instruction.ts';
import { execForm } from './words.ts';

const SHORTEST = 1e6;

/** The arguments and flags of HEALTHCHECK; throws a Complaint. */
export function readHealthcheck(text: string, flags: FlagValues): Healthcheck {
  if (text === '') throw new Complaint('HEALTHCHECK requires at least one argument');
  let end = 0;
  while (end < text.length && !isSpace(text.charAt(end))) end++;
  const type = text.slice(0, end).toUpperCase();
  const rest = trim(text.slice(end));
  if (type === 'NONE') {
    if (rest !== '') throw new Complaint('HEALTHCHECK NONE takes no arguments');
    return { Test: ['NONE'] };
  }
  if (type !== 'CMD') {
    const written = text.slice(0, end);
    throw new Complaint(`Unknown type ${JSON.stringify(written)} in HEALTHCHECK (try CMD)`, {
      near: written,
      ...(written.startsWith('-') && { hint: 'flags start with two dashes: --interval=5s' }),
    });
  }
  const argv = execForm(rest);
  if (rest === '' || argv?.length === 0) throw new Complaint('Missing command after HEALTHCHECK CMD');
  return {
    Test: argv ? ['CMD', ...argv] : ['CMD-SHELL', rest],
    ...given('Interval', interval(flags, 'interval')),
    ...given('Timeout', interval(flags, 'timeout')),
    ...given('StartPeriod', interval(flags, 'start-period')),
    ...given('StartInterval', interval(flags, 'start-interval')),
    ...given('Retries', retries(flags)),
  };
}

/** Zero means "inherited", which an absent field says as well. */
function given(name: string, value: number): Record<string, number> {
  return value === 0 ? {} : { [name]: value };
}

function interval(flags: FlagValues, name: string): number {
  const text = flags.text(name);
  if (text === undefined || text === '') return 0;
  const nanoseconds = parseDuration(text);
  if (nanoseconds !== 0 && nanoseconds < SHORTEST) {
    throw new Complaint(`Interval ${JSON.stringify(name)} cannot be less than 1ms`, { near: text });
  }
  return nanoseconds;
}

function retries(flags: FlagValues): number {
  const text = flags.text('retries');
  if (text === undefined || text === '') return 0;
  if (!/^[-+]?\d{1,9}$/.test(text)) {
    throw new Complaint(`--retries takes a number, not ${JSON.stringify(text)}`, { near: text });
  }
  if (Number(text) < 0) throw new Complaint(`--retries cannot be negative (${text})`, { near: text });
  return Number(text);
}
