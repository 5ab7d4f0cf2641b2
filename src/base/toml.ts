import { parse } from '@ltd/j-toml';
import { BldError } from './errors.ts';

/**
 * A TOML 1.0 document as plain data: tables have a null prototype, integers are numbers. E_USAGE with `where` (the
 * file's name) when it is malformed. Import this file where it is needed, not before: it takes 11 ms to load.
 */
export function parseToml(text: string, where: string): Record<string, unknown> {
  try {
    return parse(text, { joiner: '\n', bigint: false });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new BldError('E_USAGE', `${where}: ${reason}`, { cause: error });
  }
}
