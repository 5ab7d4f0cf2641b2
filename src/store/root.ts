import { readFileSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { BldError } from '../base/errors.ts';
import { readStorageConf } from './storage-conf.ts';

export interface StorePlaces {
  readonly root: string;
  readonly runroot: string;
}

export interface PlaceOptions {
  /** `--root` and `--runroot`. */
  readonly root?: string | undefined;
  readonly runroot?: string | undefined;
  /** The person's uid, outside of any namespace of bld; 0 for root's own store. */
  readonly uid: number;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const SYSTEM_CONF = ['/etc/containers/storage.conf', '/usr/share/containers/storage.conf'];

/** The home directory in passwd; inside of our own user namespace `userInfo` tells about another uid. */
function passwdHome(uid: number): string | undefined {
  try {
    const own = userInfo();
    if (own.uid === uid) return own.homedir;
  } catch {
    // no such uid in passwd
  }
  try {
    const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
    return lines.map((line) => line.split(':')).find((fields) => fields[2] === String(uid))?.[5];
  } catch {
    return undefined;
  }
}

function homeOf({ uid, env }: PlaceOptions): string {
  const home = env.HOME || passwdHome(uid);
  if (home) return home;
  throw new BldError(
    'E_ENVIRONMENT',
    `no home directory: HOME is not set, and uid ${uid} is not in /etc/passwd`,
    {
      hint: 'set HOME, or say where the store shall be: BLD_ROOT or --root',
    },
  );
}

/** `~`, `$HOME`, `${UID}` and the like. */
function expanded(path: string, options: PlaceOptions): string {
  const value = (name: string) => {
    if (name === 'UID') return String(options.uid);
    return name === 'HOME' ? homeOf(options) : (options.env[name] ?? '');
  };
  const text = path.replace(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced?: string, bare?: string) =>
    value(braced ?? bare ?? ''),
  );
  return resolve(text === '~' || text.startsWith('~/') ? homeOf(options) + text.slice(1) : text);
}

/** Our own directory beside that of containers/storage, whose layout is another. */
function beside(path: string): string {
  return join(basename(path) === 'storage' ? dirname(path) : path, 'bld');
}

async function chosenPlaces(options: PlaceOptions): Promise<Partial<StorePlaces>> {
  const { uid, env } = options;
  const own = env.CONTAINERS_STORAGE_CONF;
  const user = () => join(env.XDG_CONFIG_HOME || join(homeOf(options), '.config'), 'containers/storage.conf');
  const found = await readStorageConf([
    ...(own ? [own] : []),
    ...(uid === 0 ? [] : [user()]),
    ...SYSTEM_CONF,
  ]);
  if (!found) return {};
  const { graphroot, runroot, rootless_storage_path: rootless } = found.conf;
  const shared = uid !== 0 && SYSTEM_CONF.includes(found.path);
  const places = shared
    ? { root: rootless }
    : { root: (uid === 0 ? undefined : rootless) ?? graphroot, runroot };
  return Object.fromEntries(
    Object.entries(places).flatMap(([name, path]) => (path ? [[name, beside(expanded(path, options))]] : [])),
  );
}

/** A runtime directory of another user is of no use (`sudo` and `su` leave the variable as it was). */
function isOwnDirectory(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.isDirectory() === true && stats.uid === process.geteuid?.();
}

function defaultRunroot({ uid, env }: PlaceOptions): string {
  if (uid === 0) return '/run/bld';
  const runtime = env.XDG_RUNTIME_DIR;
  if (runtime && isAbsolute(runtime) && isOwnDirectory(runtime)) return join(runtime, 'bld');
  return `/tmp/bld-run-${uid}`; // `openStore` makes it 0700, and refuses one that somebody else made
}

function defaultRoot(options: PlaceOptions): string {
  if (options.uid === 0) return '/var/lib/bld';
  const data = options.env.XDG_DATA_HOME;
  return join(data && isAbsolute(data) ? data : join(homeOf(options), '.local/share'), 'bld');
}

/**
 * Where the store and its run directory are. First `--root`, `--runroot`; then `BLD_ROOT`, `BLD_RUNROOT`; then what
 * containers-storage.conf(5) chooses ($CONTAINERS_STORAGE_CONF, else the user's, else the system's file): `bld` beside
 * a graphroot that is called `storage`, else inside of it, and so for runroot; of a system file a user takes
 * `rootless_storage_path` alone. The stock places of the distributions choose nothing. Then `/var/lib/bld` and
 * `/run/bld`; for users `$XDG_DATA_HOME/bld` and `$XDG_RUNTIME_DIR/bld`, or `/tmp/bld-run-<uid>` where there is none.
 */
export async function storePlaces(options: PlaceOptions): Promise<StorePlaces> {
  const root = options.root || options.env.BLD_ROOT;
  const runroot = options.runroot || options.env.BLD_RUNROOT;
  const chosen = root ? {} : await chosenPlaces(options);
  return {
    root: root ? resolve(root) : (chosen.root ?? defaultRoot(options)),
    runroot: runroot ? resolve(runroot) : (chosen.runroot ?? defaultRunroot(options)),
  };
}
