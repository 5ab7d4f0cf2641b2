import { closeSync, openSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * What the launcher (native/overlay/launcher.c) could get, told by `_BLD_*` variables:
 * - `root`: real root, or root of a container; real owners
 * - `userns`: a user namespace with a range of ids; real owners inside the range
 * - `single`: a user namespace with one id; owners live in `user.bld.*`
 * - `none`: no namespace allowed; no mounts, no RUN
 */
export type Mode = 'root' | 'userns' | 'single' | 'none';

export interface Environment {
  readonly mode: Mode;
  /** The person's ids outside of any namespace that bld made: 0 for real root. */
  readonly uid: number;
  readonly gid: number;
  /**
   * The mount namespace that bld was started in (an open descriptor), where `bld mount` shows its mounts. Undefined
   * where bld may not mount there: rootless, unless started inside `bld unshare`.
   */
  readonly hostMountNamespace: number | undefined;
  /** Why a better mode was refused, one sentence with the way out, or undefined. */
  readonly reason: string | undefined;
  /** Overlay must keep its marks in `user.overlay.*`. */
  readonly userxattr: boolean;
  /** Another uid than our own can be given to a file here. */
  readonly owners: 'real' | 'xattr';
  /** `_BLD_UNSHARED` for what `bld unshare` starts: a bld in there keeps this mode instead of nesting one more. */
  readonly unshared: string;
}

const NAMES = ['_BLD_MODE', '_BLD_UID', '_BLD_GID', '_BLD_MNTNS', '_BLD_REASON'] as const;

/** The kernel's fixed inode number of the machine's first user namespace (PROC_USER_INIT_INO). */
const FIRST_USER_NAMESPACE = 'user:[4026531837]';

/** True in any user namespace but the machine's first: trusted.* is out of reach there, also for its root. */
function inUserNamespace(): boolean {
  try {
    return readlinkSync('/proc/self/ns/user') !== FIRST_USER_NAMESPACE;
  } catch {
    return false;
  }
}

/** CAP_CHOWN: what root of an unprivileged container usually has, and a hardened pod's does not. */
function mayChown(): boolean {
  try {
    const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
    return effective !== undefined && (BigInt(`0x${effective}`) & 1n) === 1n;
  } catch {
    return false;
  }
}

/** The launcher's descriptor survives every exec; this one ends with bld, so that no child inherits the namespace. */
function closeOnExec(fd: number): number {
  const own = openSync(`/proc/self/fd/${fd}`, 'r');
  closeSync(fd);
  return own;
}

let known: Environment | undefined;

/** Read once; the variables are removed so that no child sees them. */
export function environment(): Environment {
  if (known) return known;
  const { _BLD_MODE, _BLD_UID, _BLD_GID, _BLD_MNTNS, _BLD_REASON } = process.env;
  for (const name of NAMES) delete process.env[name];
  const self = process.geteuid?.() ?? 0;
  // a program that `bld unshare` has started uses the library: no launcher was there to tell
  const [unsharedMode, unsharedUid, unsharedGid] = process.env['_BLD_UNSHARED']?.split(':') ?? [];
  const mode = (_BLD_MODE ?? unsharedMode ?? (self === 0 ? 'root' : 'none')) as Mode;
  const uid = Number(_BLD_UID ?? unsharedUid ?? self);
  const gid = Number(_BLD_GID ?? unsharedGid ?? process.getegid?.() ?? 0);
  const real = mode === 'root' || mode === 'userns' || (mode === 'none' && self === 0 && mayChown());
  known = {
    mode,
    uid,
    gid,
    hostMountNamespace: _BLD_MNTNS === undefined ? undefined : closeOnExec(Number(_BLD_MNTNS)),
    reason: _BLD_REASON,
    userxattr: inUserNamespace(),
    owners: real ? 'real' : 'xattr',
    unshared: `${mode}:${uid}:${gid}`,
  };
  return known;
}
