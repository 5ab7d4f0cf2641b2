import { printable } from '../base/log.ts';

/** Query keys whose values may be printed; every other value is hidden, for it may be a signature or a token. */
const PLAIN_KEYS: ReadonlySet<string> = new Set([
  'digest',
  'from',
  'last',
  'mount',
  'n',
  'ns',
  'scope',
  'service',
]);

/** Header names whose values may be printed. */
const PLAIN_HEADERS: ReadonlySet<string> = new Set([
  'accept',
  'content-length',
  'content-range',
  'content-type',
  'date',
  'docker-content-digest',
  'docker-upload-uuid',
  'range',
  'ratelimit-limit',
  'ratelimit-remaining',
  'retry-after',
  'server',
  'user-agent',
  'x-request-id',
]);

/** The address without user-info and fragment, its query values hidden unless their key is known to be harmless. */
export function redactUrl(address: string | URL): string {
  const url = URL.parse(String(address));
  if (!url) return '<malformed URL>';
  const query = [...url.searchParams]
    .map(([key, value]) => `${printable(key)}=${PLAIN_KEYS.has(key) ? printable(value) : '***'}`)
    .join('&');
  return `${url.protocol}//${url.host}${printable(url.pathname)}${query && `?${query}`}`;
}

/** A text that may quote addresses (error messages of other software), each of them redacted, made printable. */
export function redactText(text: string): string {
  return printable(text.replace(/\bhttps?:\/\/[^\s"'<>]+/gi, (address) => redactUrl(address)));
}

/** `name: value` of the headers that may be shown. */
export function redactHeaders(headers: Iterable<readonly [string, string]>): string[] {
  return [...headers].map(
    ([name, value]) =>
      `${printable(name)}: ${PLAIN_HEADERS.has(name.toLowerCase()) ? printable(value) : '***'}`,
  );
}
