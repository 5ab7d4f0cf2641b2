const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const PROXY_NAMES = ['http_proxy', 'https_proxy', 'ftp_proxy', 'no_proxy', 'all_proxy'];

/** The image's variables and those that are given, null for one that goes; there is always a PATH. */
export function environmentFor(
  image: ReadonlyMap<string, string>,
  env: Readonly<Record<string, string | null>> = {},
): Map<string, string> {
  const all = new Map(image);
  for (const [name, value] of Object.entries(env)) {
    if (value === null) all.delete(name);
    else all.set(name, value);
  }
  if (!all.has('PATH')) all.set('PATH', DEFAULT_PATH);
  return all;
}

/** Proxy settings of the host reach the command (unless forbidden) but are no part of its key. */
export function proxies(enabled: boolean): [string, string][] {
  if (!enabled) return [];
  return PROXY_NAMES.flatMap((name) => [name, name.toUpperCase()]).flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : ([[name, value]] as [string, string][]);
  });
}
