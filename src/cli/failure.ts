import { BldError, explain, type Spot } from '../base/errors.ts';
import { printable } from '../base/log.ts';

export interface FailureStyle {
  readonly format: 'text' | 'json';
  /** With the stack of a defect. */
  readonly debug: boolean;
}

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  readonly spot?: Spot | undefined;
  readonly stack: string | undefined;
}

function describe(error: unknown): Failure {
  const known = explain(error, 'failed');
  if (known instanceof BldError) {
    const { code, message, hint, spot, stack } = known;
    return { code, message, hint, spot, stack };
  }
  const message = known instanceof Error ? known.message : String(known);
  return {
    code: 'E_INTERNAL',
    message: message.startsWith('internal: ') ? message : `internal: ${message}`,
    hint: 'this is a defect of bld: run the command again with --log-level debug and report what it prints',
    stack: known instanceof Error ? known.stack : undefined,
  };
}

/** The error as it is shown on standard error: its sentence, then the way out; or one JSON object. */
export function failureText(error: unknown, { format, debug }: FailureStyle): string {
  const { code, message, hint, spot, stack } = describe(error);
  const trace = debug && stack !== undefined ? { stack } : {};
  if (format === 'json') {
    return `${JSON.stringify({ level: 'error', code, message, ...(hint && { hint }), ...spot, ...trace })}\n`;
  }
  const parts = [
    `Error: ${message}`,
    ...(hint ? [`hint: ${hint}`] : []),
    ...(trace.stack ? [trace.stack] : []),
  ];
  return `${printable(parts.join('\n'))}\n`;
}

/** 125 but for what carries its own: a RUN's command, a signal. */
export function exitCodeOf(error: unknown): number {
  return error instanceof BldError ? error.exitCode : 125;
}
