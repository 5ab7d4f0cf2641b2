import { BldError } from '../base/errors.ts';
import { printable } from '../base/log.ts';

const CONTAINER_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/;
const LONGEST_NAME = 4096;

function shown(name: string): string {
  return printable(JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name));
}

/** E_USAGE unless the name can be a container's: letters, digits, `_.-`, the first a letter or digit, at most 255. */
export function checkContainerName(name: string): void {
  if (CONTAINER_NAME.test(name)) return;
  throw new BldError('E_USAGE', `${shown(name)} cannot be a container's name`, {
    hint: 'use letters, digits, "_", "." and "-", starting with a letter or digit, at most 255',
  });
}

/** E_USAGE unless the name can be an image's: the caller has parsed it, this keeps spaces and control bytes out. */
export function checkImageName(name: string): void {
  if (name.length > 0 && name.length <= LONGEST_NAME && /^[\x21-\x7e]+$/.test(name) && !name.startsWith('-'))
    return;
  throw new BldError('E_USAGE', `${shown(name)} cannot be an image's name`);
}

/** The half-open range of keys that start with `prefix`, for an indexed search. `prefix` ends in a hexadecimal digit. */
export function prefixRange(prefix: string): readonly [from: string, to: string] {
  return [prefix, `${prefix}g`];
}

/** The one of `found` (E_USAGE when there are more), or undefined. */
export function onlyOne<T>(found: readonly T[], prefix: string, what: string): T | undefined {
  if (found.length > 1) {
    throw new BldError('E_USAGE', `${shown(prefix)} is the beginning of more than one ${what}'s id`, {
      hint: 'give more digits',
    });
  }
  return found[0];
}
