import { BldError } from '../base/errors.ts';

/** What a build is asked for in place of an image: docker's `--call`. */
export interface Call {
  readonly method: 'build' | 'check' | 'outline' | 'targets';
  readonly format: 'text' | 'json';
  /** Check options on top of the file's: `error=true`. */
  readonly options: string;
}

/** An image is what is asked for. */
export const BUILD: Call = { method: 'build', format: 'text', options: '' };

const METHODS = ['build', 'check', 'outline', 'targets'] as const;

/** `METHOD[,format=json]`; `lint` is a check too. */
export function readCall(given: string): Call {
  const [first = '', ...rest] = given.split(',');
  const method = METHODS.find((one) => one === (first === 'lint' ? 'check' : first));
  if (method === undefined) throw new BldError('E_USAGE', `expected one of ${METHODS.join(', ')}`);
  return { method, ...readOptions(rest) };
}

/** `true`, `false`, or options of the check: `error=true`, `skip=RULE`, `format=json`. */
export function readCheck(given: string): Call {
  if (/^(?:0|f|false)$/i.test(given)) return BUILD;
  return { method: 'check', ...readOptions(/^(?:1|t|true)$/i.test(given) ? [] : given.split(/;|,(?=\w+=)/)) };
}

function readOptions(parts: readonly string[]): Pick<Call, 'format' | 'options'> {
  const isFormat = (part: string) => part.startsWith('format=');
  const format = parts.findLast(isFormat)?.slice('format='.length) ?? 'text';
  if (format !== 'text' && format !== 'json') throw new BldError('E_USAGE', 'the format is text or json');
  return { format, options: parts.filter((part) => !isFormat(part)).join(';') };
}
