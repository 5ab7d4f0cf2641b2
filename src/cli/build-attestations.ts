import { BldError } from '../base/errors.ts';
import type { ProvenanceOptions } from '../builder/provenance/types.ts';
import { namedValues } from './build-inputs.ts';
import { identity } from './identity.ts';
import { readBool, readChoice, splitCsv } from './values.ts';

const KEYS = ['type', 'mode', 'version', 'builder-id', 'reproducible', 'inline-only', 'filename', 'disabled'];
const FORM = 'the form is true, false or mode=min|max,version=v1|v0.2,builder-id=URI,filename=NAME';

/**
 * `--provenance` and `--attest` together: the first `--attest` of the type counts, then `--provenance`; undefined where
 * nothing is to be attested. E_USAGE, E_UNSUPPORTED for other types of attestations.
 */
export function provenanceOf(
  provenance: string | undefined,
  attest: readonly string[],
): ProvenanceOptions | undefined {
  const own = provenance ? [fieldsOf('--provenance', provenance)] : [];
  const [chosen] = [...attest.map((text) => fieldsOf('--attest', text)), ...own];
  if (!chosen || flag(chosen, 'disabled')) return undefined;
  const { mode = 'max', version = 'v1', 'builder-id': builderId, filename } = chosen;
  if (filename !== undefined && (filename === '' || /[/\0]|^\.\.?$/.test(filename))) {
    throw wrong(`filename=${JSON.stringify(filename)} is not the name of a file`);
  }
  return {
    mode: choice('mode', mode, ['min', 'max']),
    version: choice('version', version, ['v1', 'v0.2']),
    builderId,
    filename,
    reproducible: flag(chosen, 'reproducible'),
    inlineOnly: flag(chosen, 'inline-only'),
    builderVersion: identity().version,
  };
}

type Fields = Readonly<Record<string, string | undefined>>;

function fieldsOf(name: '--provenance' | '--attest', text: string): Fields {
  const isAttest = name === '--attest';
  if (!isAttest && !text.includes('=')) return { disabled: String(!readSwitch(text)) };
  const fields: Fields = namedValues(splitCsv(text), 'attestation');
  const { type = isAttest ? undefined : 'provenance' } = fields;
  if (type === undefined) throw wrong(`${name} ${JSON.stringify(text)}: type= is missing`);
  if (type !== 'provenance') {
    throw new BldError('E_UNSUPPORTED', `attestations of type ${JSON.stringify(type)} are not provided`, {
      hint: 'there is type=provenance; for an SBOM, run a scanner over bld mount, or over the pushed image',
    });
  }
  const unknown = Object.keys(fields).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) throw wrong(`a provenance attestation has no option ${JSON.stringify(unknown)}`);
  return fields;
}

function readSwitch(text: string): boolean {
  try {
    return readBool(text);
  } catch {
    throw wrong(`--provenance: invalid value ${JSON.stringify(text)}`);
  }
}

/** As a flag of the command line: `disabled` alone is `disabled=true`. */
function flag(fields: Fields, key: string): boolean {
  const text = fields[key];
  if (text === undefined) return false;
  try {
    return readBool(text || 'true');
  } catch {
    throw wrong(`${key} is true or false, not ${JSON.stringify(text)}`);
  }
}

function choice<const W extends string>(key: string, text: string, words: readonly W[]): W {
  try {
    return readChoice(...words)(text);
  } catch {
    throw wrong(`${key} is ${words.join(' or ')}, not ${JSON.stringify(text)}`);
  }
}

function wrong(message: string): BldError {
  return new BldError('E_USAGE', message, { hint: FORM });
}

/** What `--metadata-file` is to tell of it: as much as the variable says that buildx has for that. */
export function toldProvenance(setting: string | undefined): 'short' | 'all' | undefined {
  if (setting === 'disabled') return undefined;
  return setting === 'max' ? 'all' : 'short';
}
