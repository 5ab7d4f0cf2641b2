import { BldError, type ErrorCode, type ErrorDetails } from '../base/errors.ts';
import { printable } from '../base/log.ts';
import { readAll } from '../base/streams.ts';
import type { Answer } from './http.ts';
import { redactText } from './redact.ts';
import { isPassing, retryAfter } from './retry.ts';

/** distribution-spec, "Error Codes": one entry of `errors`. */
export interface Problem {
  readonly code: string;
  readonly message: string;
}

export interface RefusalDetails extends ErrorDetails {
  /** The HTTP status, or 0 when no answer came. */
  readonly status: number;
  readonly problems: readonly Problem[];
  /** The pause that the registry asked for, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

/** A registry's refusal: `status` and the registry's own codes let the caller tell the cases apart. */
export class RegistryError extends BldError {
  readonly status: number;
  readonly problems: readonly Problem[];
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, details: RefusalDetails) {
    super(code, message, details);
    this.name = 'RegistryError';
    this.status = details.status;
    this.problems = details.problems;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** True for a refusal whose problems hold the code (`MANIFEST_BLOB_UNKNOWN`). */
export function hasProblem(error: unknown, code: string): boolean {
  return error instanceof RegistryError && error.problems.some((problem) => problem.code === code);
}

const BODY_LIMIT = 1024 * 1024;
const SHOWN = 500;

function problemOf(entry: unknown): Problem | undefined {
  if (typeof entry !== 'object' || entry === null) return undefined;
  const { code, message } = entry as Record<string, unknown>;
  if (typeof code !== 'string' && typeof message !== 'string') return undefined;
  const clean = (value: unknown) => (typeof value === 'string' ? redactText(value.slice(0, SHOWN)) : '');
  return { code: clean(code), message: clean(message) };
}

/** The problems of an error body: `errors[]`, `{error, error_description}`, `{message}`; none from HTML or junk. */
export function parseProblems(body: string): Problem[] {
  let document: unknown;
  try {
    document = JSON.parse(body);
  } catch {
    return [];
  }
  if (typeof document !== 'object' || document === null) return [];
  const { errors, error, error_description, message, details } = document as Record<string, unknown>;
  if (Array.isArray(errors)) return errors.slice(0, 10).flatMap((entry) => problemOf(entry) ?? []);
  const single = problemOf({ code: error, message: error_description ?? message ?? details });
  return single ? [single] : [];
}

/** Reads the rest of a refused answer (1 MiB at most; a longer or broken body counts as empty). */
export async function readProblems(answer: Answer): Promise<Problem[]> {
  try {
    return parseProblems((await readAll(answer.body, BODY_LIMIT, 'error body')).toString('utf8'));
  } catch {
    await answer.discard();
    return [];
  }
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'bad request',
  401: 'not logged in',
  403: 'denied',
  404: 'not found',
  405: 'not allowed',
  413: 'too large for this registry',
  416: 'range not accepted',
  429: 'too many requests',
  500: 'internal error of the registry',
  502: 'bad gateway',
  503: 'service unavailable',
  504: 'gateway timeout',
};

/** `HTTP 404 (not found): MANIFEST_UNKNOWN: manifest unknown`. */
function describe(status: number, problems: readonly Problem[]): string {
  const reason = REASONS[status];
  const head = `HTTP ${status}${reason ? ` (${reason})` : ''}`;
  const told = problems.map(({ code, message }) => [code, message].filter(Boolean).join(': '));
  return [head, ...told.slice(0, 3)].join(': ');
}

function quotaOf(answer: Answer): string {
  const [limit, remaining] = [answer.header('ratelimit-limit'), answer.header('ratelimit-remaining')];
  if (limit === null && remaining === null) return '';
  return ` (quota ${printable(limit ?? '?')}, remaining ${printable(remaining ?? '?')})`;
}

function hintFor(answer: Answer, problems: readonly Problem[], host: string): string | undefined {
  const codes = new Set(problems.map((problem) => problem.code));
  if (answer.status === 401) return `log in: bld login ${host}`;
  if (answer.status === 403 || codes.has('DENIED')) {
    return `the login lacks the right, or the repository does not exist: check the name, or bld login ${host}`;
  }
  if (answer.status === 429) {
    const after = answer.header('retry-after');
    const wait = after === null ? 'later' : `after ${printable(after)}${/^\d+$/.test(after) ? ' s' : ''}`;
    return `the registry limits requests${quotaOf(answer)}: try again ${wait}, or raise the limit with bld login ${host}`;
  }
  if (codes.has('NAME_UNKNOWN'))
    return 'the repository does not exist: some registries need it created before a push';
  if (answer.status === 413) return 'the registry, or a proxy before it, limits the size of a request';
  if (answer.status >= 500) return 'the registry has a fault of its own: try again later';
  return undefined;
}

/** The error of a refused request; reads and closes the answer. `what` names the request ("manifest host/a:1"). */
export async function refusal(answer: Answer, what: string, host: string): Promise<RegistryError> {
  const problems = await readProblems(answer);
  const code: ErrorCode = answer.status === 401 || answer.status === 403 ? 'E_AUTH' : 'E_REGISTRY';
  const hint = hintFor(answer, problems, host);
  const place =
    answer.url.hostname === host.replace(/:\d+$/, '') ? '' : ` from ${printable(answer.url.host)}`;
  return new RegistryError(code, `${what}: ${describe(answer.status, problems)}${place}`, {
    status: answer.status,
    problems,
    retryAfterMs: retryAfter(answer.header('retry-after')),
    ...(hint !== undefined && { hint }),
  });
}

/** No answer came, or it broke off: what Node says of it, and its code (`ECONNRESET`, `DEPTH_ZERO_SELF_SIGNED_CERT`). */
export class NetworkFailure extends Error {
  readonly code: string;

  constructor(message: string, code: string) {
    super(message || code || 'the connection broke');
    this.name = 'NetworkFailure';
    this.code = code;
  }
}

const CERTIFICATE =
  /^(?:CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE)/;

/** True for a certificate that does not verify: no repetition mends it. */
export function isCertificateError(error: unknown): boolean {
  return error instanceof NetworkFailure && CERTIFICATE.test(error.code);
}

/** True for a failure that another try may mend: no answer came, or one of the passing statuses. */
export function isTransient(error: unknown): boolean {
  if (error instanceof RegistryError) return isPassing(error.status);
  if (error instanceof BldError) return error.code === 'E_NETWORK' && isTransient(error.cause);
  return error instanceof NetworkFailure && error.code !== 'ENOTFOUND' && !CERTIFICATE.test(error.code);
}

function networkHint({ code, message }: NetworkFailure, host: string): string | undefined {
  if (CERTIFICATE.test(code)) {
    return `put the authority's certificate into /etc/containers/certs.d/${host}/ca.crt, or use --cert-dir, or --tls-verify=false`;
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) {
    return 'the server does not speak TLS as bld does: use --tls-verify=false if plain HTTP is meant';
  }
  if (code === 'ECONNREFUSED') return `nothing listens there: check the name and the port of ${host}`;
  if (code === 'ENOTFOUND') return `check the name ${host}, or the name server`;
  if (code === 'EAI_AGAIN') return 'the name server does not answer: check the network';
  if (message.startsWith('Bad response')) return 'the proxy refused: check HTTPS_PROXY and NO_PROXY';
  return undefined;
}

function networkText({ code, message }: NetworkFailure): string {
  const openssl = /SSL routines:[^:]*:([^:]+)/.exec(message)?.[1];
  if (openssl) return `TLS: ${openssl}`;
  const proxy = /^Bad response: (\d+)$/.exec(message)?.[1];
  if (proxy) return `the proxy answered HTTP ${proxy}`;
  return code === 'ENOTFOUND' ? `no such host (${message})` : message;
}

/** The E_NETWORK error of a request that got no answer; anything but a NetworkFailure stays itself. */
export function networkError(error: unknown, what: string, host: string): unknown {
  if (!(error instanceof NetworkFailure)) return error;
  const hint = networkHint(error, host);
  const message = `${what}: ${redactText(networkText(error))}`;
  return new BldError('E_NETWORK', message, { cause: error, ...(hint && { hint }) });
}
