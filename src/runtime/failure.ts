import { BldError, type ErrorCode } from '../base/errors.ts';

/** What the helper told of a run that could not start (native/overlay/report.h). */
export interface Failure {
  readonly step: string;
  /** 'ENOENT', or '0'. */
  readonly errno: string;
  readonly text: string;
}

const MEANINGS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EBUSY: 'it is in use',
  EEXIST: 'it exists already',
  EINVAL: 'the kernel does not take it',
  EISDIR: 'it is a directory',
  ELOOP: 'it is a symbolic link, or there are too many',
  EMFILE: 'too many open files',
  ENAMETOOLONG: 'the name is too long',
  ENODEV: 'the kernel does not know it',
  ENOENT: 'it does not exist',
  ENOMEM: 'out of memory',
  ENOSPC: 'no space is left',
  ENOSYS: 'the kernel does not have it',
  ENOTDIR: 'it is not a directory',
  EPERM: 'not permitted',
  EROFS: 'the file system is read-only',
  EUSERS: 'too many of them',
};

interface Kind {
  readonly code: ErrorCode;
  readonly hint?: string;
}

const NEEDS = 'bld info tells what this machine allows; in a container, it needs user or mount namespaces';

const KINDS: Readonly<Record<string, Kind>> = {
  namespaces: { code: 'E_ENVIRONMENT', hint: NEEDS },
  rootfs: { code: 'E_ENVIRONMENT', hint: NEEDS },
  sandbox: { code: 'E_ENVIRONMENT', hint: NEEDS },
  seccomp: {
    code: 'E_ENVIRONMENT',
    hint: 'run without a filter: --security-opt seccomp=unconfined',
  },
  cgroup: { code: 'E_ENVIRONMENT', hint: 'run without limits, or where cgroups can be written' },
  network: { code: 'E_ENVIRONMENT', hint: 'use --network host or --network none' },
  user: {
    code: 'E_RUN',
    hint: 'the id must be one that this user namespace has: see /etc/subuid and /etc/subgid',
  },
  mount: { code: 'E_RUN' },
  cwd: { code: 'E_RUN' },
  limits: { code: 'E_RUN' },
  terminal: { code: 'E_RUN' },
};

/** The error for the person. A failed exec has its own, better one: explainExec. */
export function failureError(failure: Failure): BldError {
  const kind = Object.hasOwn(KINDS, failure.step) ? KINDS[failure.step] : undefined;
  const why = MEANINGS[failure.errno] ?? failure.errno;
  const message = `cannot run the command: ${failure.text}${why === '0' ? '' : `: ${why}`}`;
  return new BldError(kind?.code ?? 'E_RUN', message, kind?.hint === undefined ? {} : { hint: kind.hint });
}
