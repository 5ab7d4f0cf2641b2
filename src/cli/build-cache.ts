import { resolve } from 'node:path';
import { BldError } from '../base/errors.ts';
import type { CacheSource, CacheTarget } from '../builder/build/cache.ts';
import type { Location } from '../images/location.ts';
import { isTag, parseReference } from '../images/reference.ts';
import { namedValues } from './build-inputs.ts';
import { readBool, readInteger, splitCsv } from './values.ts';

/** The tag that a repository without one means. */
const TAG = 'buildcache';
/** Kinds of other builders that need the service of one vendor. */
const SERVICES = ['gha', 's3', 'azblob'];

export interface CacheTargets {
  readonly to: readonly CacheTarget[];
  readonly inline: boolean;
}

/** `--cache-to`: `type=registry|local|inline,…`, or a repository. */
export function cacheTargets(texts: readonly string[]): CacheTargets {
  const read = texts.map((text) => {
    try {
      return readTarget(text);
    } catch (error) {
      throw refused('--cache-to', text, error);
    }
  });
  return { to: read.filter((target) => target !== 'inline'), inline: read.includes('inline') };
}

/** `--cache-from`: `type=registry|local,…`, an image, or a repository. */
export function cacheSources(texts: readonly string[]): readonly CacheSource[] {
  return texts.map((text) => {
    try {
      return readSource(text);
    } catch (error) {
      throw refused('--cache-from', text, error);
    }
  });
}

function refused(flag: string, text: string, error: unknown): unknown {
  if (!(error instanceof BldError)) return error;
  const hint = error.hint ?? FORMS[flag];
  return new BldError(error.code, `invalid ${flag} ${JSON.stringify(text)}: ${error.message}`, {
    cause: error,
    ...(hint !== undefined && { hint }),
  });
}

const FORMS: Readonly<Record<string, string>> = {
  '--cache-to': 'the form is type=registry,ref=NAME:TAG | type=local,dest=DIR | type=inline, or a repository',
  '--cache-from': 'the form is type=registry,ref=NAME:TAG | type=local,src=DIR, or a repository',
};

function mistake(why: string): BldError {
  return new BldError('E_USAGE', why);
}

const TARGET_KEYS: Readonly<Record<string, readonly string[]>> = {
  registry: ['ref'],
  local: ['dest', 'tag'],
  inline: [],
};
const COMMON_KEYS = [
  'type',
  'mode',
  'compression',
  'compression-level',
  'force-compression',
  'ignore-error',
  'image-manifest',
  'oci-mediatypes',
];
const SOURCE_KEYS: Readonly<Record<string, readonly string[]>> = { registry: ['ref'], local: ['src', 'tag'] };

type Fields = Readonly<Record<string, string | undefined>>;

function readFields(
  text: string,
  keys: Readonly<Record<string, readonly string[]>>,
  common: readonly string[],
) {
  const fields: Fields = namedValues(splitCsv(text), 'field');
  const { type } = fields;
  if (type === undefined) throw mistake('type= is missing');
  if (SERVICES.includes(type)) {
    throw new BldError('E_UNSUPPORTED', `caches of type ${type} are not provided`, {
      hint: 'keep the cache in a registry: type=registry,ref=NAME:TAG',
    });
  }
  const own = Object.hasOwn(keys, type) ? keys[type] : undefined;
  if (own === undefined) throw mistake(`there is no type ${JSON.stringify(type)}`);
  const known = [...common, ...own];
  const wrong = Object.keys(fields).find((key) => !known.includes(key));
  if (wrong !== undefined) throw mistake(`type=${type} has no option ${JSON.stringify(wrong)}`);
  return { type, fields };
}

function readTarget(text: string): CacheTarget | 'inline' {
  if (!isCsv(text)) {
    // a repository keeps all steps, as in Buildah; a name with its tag is that of other builders
    const { location, isTagged } = bare(text);
    return { location, mode: isTagged ? 'min' : 'max', ignoreError: false };
  }
  const { type, fields } = readFields(text, TARGET_KEYS, COMMON_KEYS);
  const { mode = 'min' } = fields;
  if (mode !== 'min' && mode !== 'max') throw mistake(`mode is min or max, not ${JSON.stringify(mode)}`);
  for (const key of ['image-manifest', 'oci-mediatypes']) {
    if (flag(fields, key, true)) continue;
    throw new BldError('E_UNSUPPORTED', `${key}=false is not provided`, {
      hint: 'a cache is always an OCI image manifest, which every registry takes',
    });
  }
  const how = { mode, ignoreError: flag(fields, 'ignore-error', false), ...compressionOf(fields) } as const;
  if (type === 'inline') {
    if (mode === 'max') throw mistake('an image carries the steps of its own layers: mode=min');
    return 'inline';
  }
  if (type === 'registry') return { ...how, location: inRegistry(fields) };
  return { ...how, location: inDirectory(fields, 'dest') };
}

function readSource(text: string): CacheSource {
  if (!isCsv(text)) {
    const { location, isTagged } = bare(text);
    // the image itself may carry a cache
    return isTagged ? [location] : [location, latest(text)];
  }
  const { type, fields } = readFields(text, SOURCE_KEYS, ['type']);
  return [type === 'registry' ? inRegistry(fields) : inDirectory(fields, 'src')];
}

/** A name has no `=` before its first comma. */
function isCsv(text: string): boolean {
  return /^[^,]*=/.test(text) || text.includes(',');
}

function bare(text: string): { readonly location: Location; readonly isTagged: boolean } {
  const reference = parseReference(text);
  const isTagged = reference.tag !== undefined || reference.digest !== undefined;
  return {
    location: { transport: 'docker', reference: isTagged ? reference : { ...reference, tag: TAG } },
    isTagged,
  };
}

function latest(text: string): Location {
  return { transport: 'docker', reference: { ...parseReference(text), tag: 'latest' } };
}

function inRegistry({ ref }: Fields): Location {
  if (!ref) throw mistake('ref= is missing');
  return { transport: 'docker', reference: parseReference(ref) };
}

function inDirectory(fields: Fields, key: 'src' | 'dest'): Location {
  const { [key]: path, tag = 'latest' } = fields;
  if (!path) throw mistake(`${key}= is missing`);
  if (!isTag(tag)) throw mistake(`${JSON.stringify(tag)} is not a tag`);
  return { transport: 'oci', path: resolve(path), select: { by: 'name', name: tag } };
}

function flag(fields: Fields, key: string, fallback: boolean): boolean {
  const text = fields[key];
  if (text === undefined) return fallback;
  try {
    return readBool(text);
  } catch {
    throw mistake(`${key} is true or false, not ${JSON.stringify(text)}`);
  }
}

const COMPRESSIONS: Readonly<Record<string, CacheTarget['compression']>> = {
  uncompressed: 'none',
  gzip: 'gzip',
  zstd: 'zstd',
};

function compressionOf(fields: Fields): Pick<CacheTarget, 'compression' | 'level' | 'force'> {
  const { compression: text, 'compression-level': level } = fields;
  if (text === 'estargz') {
    throw new BldError('E_UNSUPPORTED', 'layers in estargz are read, not written', {
      hint: 'use gzip or zstd',
    });
  }
  const compression = text === undefined ? undefined : COMPRESSIONS[text];
  if (text !== undefined && compression === undefined) {
    throw mistake(`compression is gzip, zstd or uncompressed, not ${JSON.stringify(text)}`);
  }
  return {
    ...(compression && { compression }),
    ...(level !== undefined && { level: readLevel(level) }),
    ...(flag(fields, 'force-compression', false) && { force: true }),
  };
}

function readLevel(text: string): number {
  try {
    return readInteger(text);
  } catch {
    throw mistake(`compression-level is a number, not ${JSON.stringify(text)}`);
  }
}
