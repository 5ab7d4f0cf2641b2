import { fstatSync } from 'node:fs';

/** Device numbers of virtual consoles, /dev/tty and pseudo terminals (Documentation/admin-guide/devices.txt). */
const MAJORS: ReadonlySet<number> = new Set([4, 5, 136, 137, 138, 139, 140, 141, 142, 143]);

/** True when the descriptor is a terminal. `node:tty` tells the same, and loads what costs a short command 5 ms. */
export function isTerminal(fd: number): boolean {
  try {
    const stat = fstatSync(fd);
    return stat.isCharacterDevice() && MAJORS.has((stat.rdev >> 8) & 0xfff);
  } catch {
    return false;
  }
}
