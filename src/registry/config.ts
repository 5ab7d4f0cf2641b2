import type { Digest } from '../base/digest.ts';
import { BldError } from '../base/errors.ts';
import { printable } from '../base/log.ts';

/** A login: a password, or an identity token (OAuth2 refresh token). */
export type Credentials =
  | { readonly username: string; readonly password: string }
  | { readonly identityToken: string; readonly username?: string };

/** What is known about one registry host before it is spoken to (registries.conf, flags). */
export interface HostSettings {
  /** Plain HTTP and unverified TLS are accepted. */
  readonly insecure?: boolean | undefined;
  /** Verify the certificate; true when absent. False also permits plain HTTP. */
  readonly tlsVerify?: boolean | undefined;
  /** Holds `*.crt` (authorities), `*.cert` and `*.key` (client pairs) in place of the certs.d directories. */
  readonly certDir?: string | undefined;
  /** Redirects, upload locations and token servers of this registry may be on private networks. */
  readonly privateTargets?: boolean | undefined;
}

export type RegistryConfig = ReadonlyMap<string, HostSettings>;

export interface RetryPolicy {
  /** Tries after the first. */
  readonly attempts: number;
  /** The first pause; doubled each time, with jitter. */
  readonly delayMs: number;
  /** All pauses of one request together; a registry that asks for more is not waited for. */
  readonly budgetMs: number;
}

export interface RetryEvent {
  /** Of the registry asked, or of the storage it redirected to. */
  readonly host: string;
  readonly what: string;
  readonly reason: string;
  readonly waitMs: number;
  /** 1 for the first repetition. */
  readonly attempt: number;
}

/** How registries are spoken to; every field may be absent. */
export interface RegistryOptions {
  /** `--creds`: used for the host of `connect` alone, before any file or helper. */
  readonly credentials?: Credentials | undefined;
  /** `--authfile`. */
  readonly authFile?: string | undefined;
  /** The person's id outside of any namespace: names the default auth file. The process's own when absent. */
  readonly uid?: number | undefined;
  /** `--tls-verify`, for the host of `connect` alone. */
  readonly tlsVerify?: boolean | undefined;
  /** `--cert-dir`. */
  readonly certDir?: string | undefined;
  readonly hosts?: RegistryConfig | undefined;
  readonly retry?: Partial<RetryPolicy> | undefined;
  /** 30 s when absent. */
  readonly connectTimeoutMs?: number | undefined;
  /** A request ends when no byte moved for so long; 60 s when absent. */
  readonly idleTimeoutMs?: number | undefined;
  /** Uploads go in chunks of so many bytes; one streaming PUT when absent. */
  readonly chunkSize?: number | undefined;
  readonly userAgent?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onRetry?: ((event: RetryEvent) => void) | undefined;
  /** Texts of `Warning` headers and of unsafe settings; each once, already printable. */
  readonly onWarning?: ((text: string) => void) | undefined;
  /** One redacted line a request. */
  readonly debugHttp?: ((line: string) => void) | undefined;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 3, delayMs: 1000, budgetMs: 300_000 };

const HOST =
  /^(?:\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*)(?::[0-9]{1,5})?$/;
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** distribution-spec, "Pulling manifests": the form of `<reference>` as a tag. */
export function isTag(text: unknown): text is string {
  return typeof text === 'string' && TAG.test(text);
}

function refuse(kind: string, text: string): never {
  throw new BldError('E_USAGE', `malformed ${kind} "${printable(text.slice(0, 300))}"`);
}

/** The host in lower case; E_USAGE unless it is `name[:port]`, an IPv4 or a bracketed IPv6 address. */
export function checkHost(text: string): string {
  const host = text.toLowerCase();
  if (!HOST.test(host) || host.length > 260) refuse('registry host', text);
  if (!URL.canParse(`https://${host}/`)) refuse('registry host', text);
  return host;
}

/** E_USAGE unless the text is a repository name (distribution-spec, at most 255 bytes). */
export function checkRepository(text: string): string {
  if (text.length > 255 || !REPOSITORY.test(text)) refuse('repository name', text);
  return text;
}

/** E_USAGE unless the text is a tag. */
export function checkTag(text: string): string {
  if (!isTag(text)) refuse('tag', text);
  return text;
}

const HUB_NAMES: ReadonlySet<string> = new Set([
  'docker.io',
  'index.docker.io',
  'registry-1.docker.io',
  'registry.hub.docker.com',
]);

/** One name for a registry of several names: Docker Hub is `docker.io`. */
export function canonicalHost(host: string): string {
  return HUB_NAMES.has(host) ? 'docker.io' : host;
}

/** Where the registry's API is served. */
export function apiHost(host: string): string {
  return canonicalHost(host) === 'docker.io' ? 'registry-1.docker.io' : host;
}

/** True for `localhost`, 127.0.0.0/8 and ::1, with any port. */
export function isLoopbackHost(host: string): boolean {
  const name = host.replace(/:[0-9]+$/, '');
  return name === 'localhost' || name === '[::1]' || /^127(?:\.[0-9]{1,3}){3}$/.test(name);
}

/** The settings of the host that `connect` was asked for: flags before configuration. */
export function settingsOf(host: string, options: RegistryOptions): HostSettings {
  const known = options.hosts?.get(host) ?? {};
  const certDir = options.certDir ?? known.certDir;
  return {
    insecure:
      options.tlsVerify === undefined
        ? known.insecure === true || known.tlsVerify === false
        : !options.tlsVerify,
    ...(certDir !== undefined && { certDir }),
    privateTargets: known.privateTargets === true,
  };
}

/** `:tag` or `@digest`, as it follows a repository in texts. */
export function suffixOf(reference: string | Digest): string {
  return reference.includes(':') ? `@${reference}` : `:${reference}`;
}
