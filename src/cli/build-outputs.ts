import { resolve } from 'node:path';
import { BldError } from '../base/errors.ts';
import { type Location, parseLocation } from '../images/location.ts';
import { newImageName } from '../images/reference.ts';
import { namedValues } from './build-inputs.ts';
import { readBool, splitCsv } from './values.ts';

/** Where the result of a build goes. */
export interface Outputs {
  /** Names in the store. */
  readonly names: readonly string[];
  /** Images elsewhere. */
  readonly destinations: readonly Location[];
  /** Names that are pushed to their registries. */
  readonly pushed: readonly string[];
  /** The files alone: directories, tars (`-` is standard output). */
  readonly directories: readonly string[];
  readonly tars: readonly string[];
}

const KEYS = ['type', 'dest', 'name', 'push', 'tar', 'rewrite-timestamp', 'oci-mediatypes'];

function mistake(text: string, why: string): BldError {
  return new BldError('E_USAGE', `invalid output ${JSON.stringify(text)}: ${why}`, {
    hint: 'the form is type=local|tar|oci|docker|image|registry,dest=PATH,name=NAME, or a directory',
  });
}

/** `-t`, `-o` and `--push` together. E_USAGE for an output that is none, E_UNSUPPORTED for options that are not provided. */
export function outputsOf(tags: readonly string[], outputs: readonly string[], push: boolean): Outputs {
  const names: string[] = [];
  const destinations: Location[] = [];
  for (const tag of tags) {
    const location = parseLocation(tag);
    if (location === null) names.push(newImageName(tag));
    else if (location.transport === 'containers-storage') names.push(newImageName(location.name));
    else destinations.push(location);
  }
  const all = {
    names,
    destinations,
    pushed: push ? [...names] : [],
    directories: [] as string[],
    tars: [] as string[],
  };
  for (const text of outputs) addOutput(all, text);
  return all;
}

interface Growing {
  readonly names: string[];
  readonly destinations: Location[];
  readonly pushed: string[];
  readonly directories: string[];
  readonly tars: string[];
}

function addOutput(all: Growing, text: string): void {
  if (text === '-') return void all.tars.push('-');
  if (!text.includes('=')) return void all.directories.push(resolve(text));
  const fields = namedValues(splitCsv(text), 'output');
  const { type = '', dest, name } = fields;
  const unknown = Object.keys(fields).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) {
    throw new BldError('E_UNSUPPORTED', `the option ${unknown} of --output is not provided`, {
      hint: 'the flags of the build (--compression-format, --annotation, --timestamp) do the same',
    });
  }
  const isPushed = type === 'registry' || readBool(fields['push'] || 'false');
  switch (type) {
    case 'local':
      if (!dest) throw mistake(text, 'dest= is missing');
      return void all.directories.push(resolve(dest));
    case 'tar':
      if (!dest) throw mistake(text, 'dest= is missing');
      return void all.tars.push(dest === '-' ? dest : resolve(dest));
    case 'oci':
    case 'docker': {
      if (!dest || dest === '-') throw mistake(text, 'dest= has to be a path');
      const isDirectory = fields['tar'] === 'false' && type === 'oci';
      const transport = isDirectory ? 'oci' : `${type}-archive`;
      const location = parseLocation(`${transport}:${resolve(dest)}${name ? `:${name}` : ''}`);
      if (location) all.destinations.push(location);
      return;
    }
    case 'image':
    case 'registry':
      for (const one of (name ?? '').split(',').filter(Boolean)) {
        all.names.push(newImageName(one));
        if (isPushed) all.pushed.push(newImageName(one));
      }
      if (isPushed && !name) all.pushed.push(...all.names);
      return;
    case 'cacheonly':
      return;
    default:
      throw mistake(text, `there is no type ${JSON.stringify(type)}`);
  }
}
