import { styleText } from 'node:util';

export type Level = 'debug' | 'info' | 'warn' | 'error';
const RANK: Readonly<Record<Level, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

export interface LogSettings {
  level: Level;
  format: 'text' | 'json';
  /** Where lines go; stderr. */
  write: (line: string) => void;
}

const settings: LogSettings = {
  level: 'warn',
  format: 'text',
  write: (line) => {
    process.stderr.write(line);
  },
};

/** Set once, by the command line. */
export function configureLog(change: Partial<LogSettings>): void {
  Object.assign(settings, change);
}

/** Text from outside made harmless in bld's own lines: control characters become `\x1b`-style escapes. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (c) => {
    return `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

function emit(level: Level, message: string, fields?: Readonly<Record<string, unknown>>): void {
  if (RANK[level] < RANK[settings.level]) return;
  if (settings.format === 'json') {
    settings.write(`${JSON.stringify({ level, message, ...fields })}\n`);
    return;
  }
  const word = level === 'warn' ? 'Warning' : level === 'error' ? 'Error' : level;
  const head = styleText(level === 'error' ? 'red' : level === 'warn' ? 'yellow' : 'dim', `${word}:`, {
    stream: process.stderr,
  });
  settings.write(`${head} ${printable(message)}\n`);
}

/** Lines for the person: never results (those go to stdout, by the command line alone). */
export const log = {
  debug: (message: string, fields?: Readonly<Record<string, unknown>>) => emit('debug', message, fields),
  info: (message: string, fields?: Readonly<Record<string, unknown>>) => emit('info', message, fields),
  warn: (message: string, fields?: Readonly<Record<string, unknown>>) => emit('warn', message, fields),
  error: (message: string, fields?: Readonly<Record<string, unknown>>) => emit('error', message, fields),
};
