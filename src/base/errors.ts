/** Stable codes, one a kind of failure: part of the user interface, printed with `--log-format json`. */
export type ErrorCode =
  | 'E_USAGE' // bad flag, argument or combination
  | 'E_ENVIRONMENT' // the machine denies what bld needs: namespaces, overlay, subuids, a missing program
  | 'E_NOT_FOUND' // no such image, container, file, stage
  | 'E_EXISTS' // a name is taken
  | 'E_IN_USE' // something else still needs it
  | 'E_PERMISSION' // EACCES, EPERM, EROFS
  | 'E_PATH' // a path leaves its root, or is of the wrong kind
  | 'E_ARCHIVE' // a tar, layout or compressed stream is malformed
  | 'E_INTEGRITY' // bytes do not match their digest or size
  | 'E_DISK_FULL' // ENOSPC, EDQUOT
  | 'E_REGISTRY' // a registry refused or misbehaved
  | 'E_AUTH' // 401, 403, credentials, helpers
  | 'E_NETWORK' // DNS, connect, TLS, reset, timeout
  | 'E_DOCKERFILE' // a Dockerfile error with its location
  | 'E_RUN' // the command of a RUN failed or could not start
  | 'E_UNSUPPORTED' // understood, and not provided
  | 'E_LIMIT' // a size, depth or count cap against hostile input
  | 'E_CACHE_MISS' // --require-cached
  | 'E_SECRET' // a layer holds a secret (--fail-on-secret)
  | 'E_CANCELLED' // a signal
  | 'E_STORE'; // the store is damaged or of another kind

/** A place in a file that a person wrote; `line` is 1-based. */
export interface Spot {
  readonly file: string;
  readonly line: number;
}

export interface ErrorDetails {
  /** One sentence that tells the way out. */
  readonly hint?: string;
  /** The process exit code; 125 (Buildah's own failures) when absent. */
  readonly exitCode?: number;
  /** What in the Dockerfile it is about. */
  readonly spot?: Spot | undefined;
  readonly cause?: unknown;
}

/** A failure that a user can meet: what, where and why in `message`, the way out in `hint`. */
export class BldError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly exitCode: number;
  readonly spot: Spot | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'BldError';
    this.code = code;
    this.hint = details.hint;
    this.exitCode = details.exitCode ?? 125;
    this.spot = details.spot;
  }
}

/** True when `error` is a system error, of the given errno name (`'ENOENT'`) if one is asked for. */
export function isErrno(error: unknown, ...names: readonly string[]): error is NodeJS.ErrnoException {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return false;
  return names.length === 0 ? /^E[A-Z0-9]+$/.test(error.code) : names.includes(error.code);
}

const ERRNO_KIND: Readonly<Record<string, readonly [ErrorCode, string | undefined]>> = {
  ENOSPC: ['E_DISK_FULL', 'free some space (bld rmi --prune, bld rm --all) or move the store with --root'],
  EDQUOT: ['E_DISK_FULL', 'the disk quota is used up: free some space or move the store with --root'],
  EACCES: ['E_PERMISSION', undefined],
  EPERM: ['E_PERMISSION', undefined],
  EROFS: ['E_PERMISSION', 'the file system is read-only: choose another place with --root'],
  ENOENT: ['E_NOT_FOUND', undefined],
  EMFILE: ['E_ENVIRONMENT', 'raise the limit on open files: ulimit -n 4096'],
  ECONNREFUSED: ['E_NETWORK', undefined],
  ECONNRESET: ['E_NETWORK', undefined],
  ETIMEDOUT: ['E_NETWORK', undefined],
  ENOTFOUND: ['E_NETWORK', undefined],
  EAI_AGAIN: ['E_NETWORK', undefined],
};

/**
 * The error that leaves a room: a BldError stays itself, a system error becomes one with `context` in front
 * ("writing layer: no space left…"), anything else is returned as it is, for it is a defect of bld.
 */
export function explain(error: unknown, context: string): unknown {
  if (error instanceof BldError || !isErrno(error)) return error;
  const [code, hint] = ERRNO_KIND[error.code ?? ''] ?? ['E_ENVIRONMENT', undefined];
  return new BldError(code, `${context}: ${error.message}`, { cause: error, ...(hint && { hint }) });
}

/** Marks the branch of a `switch` that types say cannot be reached. */
export function assertNever(value: never): never {
  throw new Error(`internal: unexpected ${JSON.stringify(value)}`);
}
