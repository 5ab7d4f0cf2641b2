import { resolve } from 'node:path';
import { BldError } from '../base/errors.ts';
import type { Destination, FilesOutput, PushedName } from '../builder/build/deliver.ts';
import type { PushRequest } from '../builder/images.ts';
import { parseLocation } from '../images/location.ts';
import { newImageName } from '../images/reference.ts';
import { namedValues } from './build-inputs.ts';
import { readBool, readChoice, readInteger, splitCsv } from './values.ts';

/** The path of archives that go to standard output. */
export const STDOUT = '/dev/stdout';

/** Where the result of a build goes. */
export interface Outputs {
  /** Names in the store. */
  readonly names: string[];
  /** Images elsewhere. */
  readonly destinations: Destination[];
  readonly pushed: PushedName[];
  readonly directories: FilesOutput[];
  readonly tars: FilesOutput[];
  /** Of each image's manifest, and of the index over several. */
  readonly annotations: Record<string, string>;
  readonly indexAnnotations: Record<string, string>;
  /** How the store keeps the image, where an output tells. */
  readonly stored: PushRequest;
  /** No image at all is wanted. */
  readonly isCacheOnly: boolean;
  readonly rewritesTimestamps: boolean;
  /** Standard output is taken by one of them. */
  readonly takesStdout: boolean;
}

const FORM =
  'the form is type=local|tar|oci|docker|image|registry|cacheonly,dest=PATH,name=NAME, or a directory';
const KNOWN = [
  ...['type', 'dest', 'name', 'push', 'push-by-digest', 'name-canonical', 'tar', 'platform-split'],
  ...['compression', 'compression-level', 'force-compression', 'oci-mediatypes', 'rewrite-timestamp'],
  ...['store', 'unpack'],
];

function mistake(text: string, why: string): BldError {
  return new BldError('E_USAGE', `invalid output ${JSON.stringify(text)}: ${why}`, { hint: FORM });
}

/** `-t`, `-o` and `--push` together. E_USAGE for an output that is none, E_UNSUPPORTED for options that are not provided. */
export function outputsOf(tags: readonly string[], outputs: readonly string[], push: boolean): Outputs {
  const all: Growing = {
    names: [],
    destinations: [],
    pushed: [],
    directories: [],
    tars: [],
    annotations: {},
    indexAnnotations: {},
    stored: {},
    types: [],
    rewrites: false,
  };
  for (const tag of tags) {
    const location = parseLocation(tag);
    if (location === null) all.names.push(newImageName(tag));
    else if (location.transport === 'containers-storage') all.names.push(newImageName(location.name));
    else all.destinations.push({ location });
  }
  if (push) all.pushed.push(...all.names.map((name) => ({ name, byDigest: false })));
  for (const text of outputs) addOutput(all, text);
  if (push && all.pushed.length === 0) {
    throw new BldError('E_USAGE', '--push: there is no name to push', { hint: 'give one with -t' });
  }
  const { types, rewrites, ...rest } = all;
  const paths = [...all.tars.map(({ path }) => path), ...all.destinations.map(pathOf)];
  const taken = paths.filter((path) => path === STDOUT).length;
  if (taken > 1) throw new BldError('E_USAGE', 'only one output can go to standard output');
  return {
    ...rest,
    isCacheOnly: tags.length === 0 && types.length > 0 && types.every((type) => type === 'cacheonly'),
    rewritesTimestamps: rewrites,
    takesStdout: taken > 0,
  };
}

function pathOf({ location }: Destination): string | undefined {
  return typeof location === 'object' && 'path' in location ? location.path : undefined;
}

type Growing = Omit<Outputs, 'isCacheOnly' | 'takesStdout' | 'rewritesTimestamps' | 'stored'> & {
  stored: PushRequest;
  readonly types: string[];
  rewrites: boolean;
};

function addOutput(all: Growing, text: string): void {
  const plain =
    text === '-' ? { type: 'tar', dest: '-' } : text.includes('=') ? null : { type: 'local', dest: text };
  const fields: Readonly<Record<string, string>> = plain ?? namedValues(splitCsv(text), 'output');
  const { type = '', dest, name = '' } = fields;
  checkKeys(fields);
  all.types.push(type);
  const flag = (key: string, fallback: boolean) => readBool(fields[key] || String(fallback));
  if (flag('rewrite-timestamp', false)) all.rewrites = true;
  addAnnotations(all, fields);
  const split = flag('platform-split', true);
  const how = pushRequest(fields);
  switch (type) {
    case 'local':
      if (!dest || dest === '-') throw mistake(text, 'dest= has to be a directory');
      return void all.directories.push({ path: resolve(dest), split });
    case 'tar':
      return void all.tars.push({ path: fileOf(dest), split });
    case 'oci':
    case 'docker': {
      const isDirectory = !flag('tar', true);
      if (isDirectory && (type === 'docker' || !dest || dest === '-')) {
        throw mistake(text, type === 'docker' ? 'there is no directory of this type' : 'dest= is missing');
      }
      const transport = isDirectory ? 'oci' : `${type}-archive`;
      const location = parseLocation(`${transport}:${fileOf(dest)}${name ? `:${name}` : ''}`);
      if (location) all.destinations.push({ location, ...how });
      return;
    }
    case 'image':
    case 'registry': {
      const named = name.split(',').filter(Boolean).map(newImageName);
      const byDigest = flag('push-by-digest', false);
      if (!byDigest) all.names.push(...named);
      if (type === 'image' && !flag('push', false)) {
        all.stored = { ...all.stored, ...how };
        return;
      }
      const pushed = named.length > 0 ? named : [...all.names];
      if (pushed.length === 0) throw mistake(text, 'there is no name to push: name= or -t');
      return void all.pushed.push(...pushed.map((one) => ({ ...how, name: one, byDigest })));
    }
    case 'cacheonly':
      return;
    default:
      throw mistake(text, `there is no type ${JSON.stringify(type)}`);
  }
}

const ANNOTATION = /^annotation(-manifest|-index)?\.(.+)$/;

function checkKeys(fields: Readonly<Record<string, string>>): void {
  const unknown = Object.keys(fields).find((key) => !KNOWN.includes(key) && !ANNOTATION.test(key));
  if (unknown === undefined) return;
  throw new BldError('E_UNSUPPORTED', `the option ${unknown} of --output is not provided`, {
    hint: `there are ${KNOWN.join(', ')}, annotation.KEY and annotation-index.KEY`,
  });
}

function addAnnotations(all: Growing, fields: Readonly<Record<string, string>>): void {
  for (const [field, value] of Object.entries(fields)) {
    const [, level, key] = ANNOTATION.exec(field) ?? [];
    if (key !== undefined) (level === '-index' ? all.indexAnnotations : all.annotations)[key] = value;
  }
}

/** `-`, or nothing, is standard output, unless a person would see it. */
function fileOf(dest: string | undefined): string {
  if (dest && dest !== '-' && dest !== STDOUT) return resolve(dest);
  if (!process.stdout.isTTY) return STDOUT;
  throw new BldError('E_USAGE', 'an archive is not written to a terminal', { hint: 'give dest=PATH' });
}

function pushRequest(fields: Readonly<Record<string, string>>): PushRequest {
  const { compression, 'compression-level': level, 'force-compression': force } = fields;
  const types = fields['oci-mediatypes'];
  const kind = readChoice('uncompressed', 'gzip', 'zstd', 'estargz');
  const chosen = compression === undefined ? undefined : kind(compression);
  if (chosen === 'estargz') {
    throw new BldError('E_UNSUPPORTED', 'layers in eStargz are read, not written', {
      hint: 'use gzip or zstd',
    });
  }
  return {
    ...(types !== undefined && {
      format: readBool(types || 'true') ? ('oci' as const) : ('docker' as const),
    }),
    ...(chosen !== undefined && { compression: chosen === 'uncompressed' ? ('none' as const) : chosen }),
    ...(level !== undefined && { level: readInteger(level) }),
    ...(force !== undefined && { force: readBool(force || 'true') }),
  };
}
