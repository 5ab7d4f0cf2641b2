import type { Fd } from '../native/sys.ts';

/** A bind, tmpfs, overlay or file in memory that a RUN sees. `target` is absolute inside the container. */
export type RunMount =
  | {
      readonly kind: 'bind';
      /** A host path, or an open descriptor of a file, directory or detached mount. */
      readonly source: string | Fd;
      readonly target: string;
      readonly readonly: boolean;
      readonly recursive: boolean;
      readonly options?: readonly MountFlag[];
      readonly propagation?: 'private' | 'rprivate' | 'slave' | 'rslave' | 'shared' | 'rshared';
    }
  | {
      readonly kind: 'tmpfs';
      readonly target: string;
      readonly size?: number;
      readonly mode?: number;
      readonly readonly: boolean;
      readonly options?: readonly MountFlag[];
    }
  | {
      /** A bind whose writes are thrown away: an overlay over `source` with its upper in `scratch` (`:O`). */
      readonly kind: 'overlay';
      readonly source: string;
      readonly target: string;
      readonly scratch: string;
    }
  | {
      /** A read-only file that lives in memory, as long as the command: what a secret is. */
      readonly kind: 'secret';
      readonly target: string;
      readonly content: Buffer;
      readonly uid: number;
      readonly gid: number;
      readonly mode: number;
    };

export type MountFlag = 'nosuid' | 'nodev' | 'noexec';

export interface Rlimit {
  /** As `prlimit` names them: 'nofile', 'nproc', 'core', … */
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

export interface Resources {
  readonly memory?: number; // bytes
  readonly memorySwap?: number; // bytes, memory + swap; -1 unlimited
  readonly cpuPeriod?: number; // µs
  readonly cpuQuota?: number; // µs
  readonly cpuShares?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly pidsLimit?: number;
  readonly cgroupParent?: string;
}

export type NamespaceMode =
  | { readonly kind: 'private' }
  | { readonly kind: 'host' }
  | { readonly kind: 'path'; readonly path: string };

export type NetworkMode =
  | { readonly kind: 'host' }
  | { readonly kind: 'none' }
  | {
      readonly kind: 'private';
      readonly program: 'pasta' | 'slirp4netns' | 'auto';
      readonly options: readonly string[];
    }
  | { readonly kind: 'path'; readonly path: string };

/** All that one command needs to run; plain data and open descriptors. */
export interface RunSpec {
  /** A detached mount (see `Sys.mountOverlay`) that becomes `/`; consumed. */
  readonly rootfs: Fd;
  readonly argv: readonly string[];
  /** `NAME=value`, complete: nothing of bld's own environment is added. */
  readonly env: readonly string[];
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly hostname: string;
  readonly domainname?: string;
  readonly mounts: readonly RunMount[];
  /** Text of the files bound over /etc/hosts, /etc/resolv.conf, /etc/hostname; absent ones are not bound. */
  readonly files: { readonly hosts?: string; readonly resolvConf?: string; readonly hostname?: string };
  /** Names without `CAP_`, upper case: bounding, permitted, effective set. */
  readonly capabilities: readonly string[];
  readonly noNewPrivileges: boolean;
  /** 'default': Docker's list; 'unconfined'; or a profile's path (OCI seccomp JSON). */
  readonly seccomp: 'default' | 'unconfined' | { readonly profile: string };
  readonly masked: 'default' | 'none';
  readonly devices: readonly {
    readonly source: string;
    readonly target: string;
    readonly permissions: string;
  }[];
  readonly rlimits: readonly Rlimit[];
  readonly resources: Resources;
  readonly shmSize: number; // bytes
  readonly umask: number;
  readonly network: NetworkMode;
  readonly pid: NamespaceMode;
  readonly ipc: NamespaceMode;
  readonly uts: NamespaceMode;
  readonly cgroup: NamespaceMode;
  readonly oomScoreAdj?: number;
  /** A terminal: the helper makes a pty inside and copies between it and our stdin/stdout. */
  readonly tty: boolean;
  /** Where the three streams go: inherited, or descriptors. */
  readonly stdio: readonly [Fd | 'inherit' | 'ignore', Fd | 'inherit' | 'ignore', Fd | 'inherit' | 'ignore'];
  /** Files and directories made as mount points stay after the run; otherwise they go, unless something is in them. */
  readonly keepMountPoints?: boolean;
  /** With one mapped id: where owners that no file can keep are noted; `ino TAB uid TAB gid TAB path NUL` a record. */
  readonly ownersLog?: Fd;
  readonly signal?: AbortSignal;
}

export interface RunResult {
  /** 0..255, 128 + n when signal n ended it. */
  readonly exitCode: number;
  /** The signal's number, when one ended it. */
  readonly signal?: number;
  /** One sentence when more is known than the code tells: the memory limit was hit. */
  readonly remark?: string;
}
