import { readFileSync } from 'node:fs';

/** This start of the machine; empty where the kernel does not tell. */
export function currentBoot(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '';
  }
}
