import { readFileSync } from 'node:fs';
import { isErrno } from '../base/errors.ts';

/** What bld takes from containers-storage.conf(5), as it is written there. */
export interface StorageConf {
  readonly graphroot?: string;
  readonly runroot?: string;
  readonly rootless_storage_path?: string;
}

/** The places that distributions ship for everybody: where containers/storage lives, and nobody's choice for bld. */
const STOCK = ['/var/lib/containers/storage', '/run/containers/storage', '/var/run/containers/storage'];
const PLACES = ['graphroot', 'runroot', 'rootless_storage_path'] as const;

const STOCK_LINES = new Set(PLACES.flatMap((name) => STOCK.map((value) => `${name} = "${value}"`)));

/** False when the file, without its comments and stock lines, names no place: then there is nothing to parse. */
function choosesPlaces(text: string): boolean {
  return text
    .split('\n')
    .map((line) => line.trim())
    .some(
      (line) => !line.startsWith('#') && !STOCK_LINES.has(line) && PLACES.some((name) => line.includes(name)),
    );
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return undefined;
    throw error;
  }
}

function placesOf(storage: object): StorageConf {
  const places = PLACES.flatMap((name) => {
    const value: unknown = Object.hasOwn(storage, name) ? Reflect.get(storage, name) : undefined;
    return typeof value === 'string' && value !== '' && !STOCK.includes(value) ? [[name, value]] : [];
  });
  return Object.fromEntries(places);
}

/**
 * The first of `paths` that exists, and the places it sets other than the stock ones; undefined when there is none.
 * Most machines have the distribution's file: the TOML parser, slow to load, is asked only for one that chooses.
 */
export async function readStorageConf(
  paths: readonly string[],
): Promise<{ readonly path: string; readonly conf: StorageConf } | undefined> {
  for (const path of paths) {
    const text = readText(path);
    if (text === undefined) continue;
    if (!choosesPlaces(text)) return { path, conf: {} };
    const { parseToml } = await import('../base/toml.ts');
    const { storage } = parseToml(text, path);
    return { path, conf: typeof storage === 'object' && storage !== null ? placesOf(storage) : {} };
  }
  return undefined;
}
