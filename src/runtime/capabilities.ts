import { BldError } from '../base/errors.ts';
import { nearest } from '../base/suggest.ts';

/** linux/capability.h, in the order of their numbers. */
export const CAPABILITIES = `
  CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
  NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
  SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
  MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`
  .trim()
  .split(/\s+/);

/** What Docker gives a container. */
export const DEFAULT_CAPABILITIES: readonly string[] = `
  CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD AUDIT_WRITE
  SETFCAP`
  .trim()
  .split(/\s+/);

/** The name without `CAP_`, upper case, or 'ALL'. E_USAGE for one that does not exist. */
function parseName(text: string): string {
  const name = text.trim().toUpperCase().replace(/^CAP_/, '');
  if (name === 'ALL' || CAPABILITIES.includes(name)) return name;
  const near = nearest(name, CAPABILITIES);
  throw new BldError('E_USAGE', `unknown capability ${JSON.stringify(text)}`, {
    ...(near && { hint: `did you mean CAP_${near}?` }),
  });
}

/** The set after `--cap-add` and `--cap-drop`: a name in both is an error, `all` stands for every one. */
export function parseCapabilities(
  add: readonly string[],
  drop: readonly string[],
  base: readonly string[] = DEFAULT_CAPABILITIES,
): readonly string[] {
  const added = add.map(parseName);
  const dropped = drop.map(parseName);
  const both = added.find((name) => dropped.includes(name));
  if (both !== undefined) throw new BldError('E_USAGE', `capability ${both} is both added and dropped`);
  const start = added.includes('ALL') ? CAPABILITIES : dropped.includes('ALL') ? [] : base;
  const set = new Set([...start, ...added.filter((name) => name !== 'ALL')]);
  for (const name of dropped) set.delete(name);
  return CAPABILITIES.filter((name) => set.has(name));
}

/** The kernel's bit set. */
export function capabilityMask(names: readonly string[]): bigint {
  return names.reduce((mask, name) => mask | (1n << BigInt(CAPABILITIES.indexOf(name))), 0n);
}
