import { BldError } from '../base/errors.ts';
import type { ProvenanceOptions } from '../builder/provenance/types.ts';
import { namedValues } from './build-inputs.ts';
import { identity } from './identity.ts';
import { readBool, readChoice, splitCsv } from './values.ts';

const KEYS = {
  provenance: ['mode', 'version', 'builder-id', 'reproducible', 'inline-only', 'filename'],
  sbom: ['generator'],
} as const;
type Type = keyof typeof KEYS;
const FORMS: Readonly<Record<Type, string>> = {
  provenance: 'the form is true, false or mode=min|max,version=v1|v0.2,builder-id=URI,filename=NAME',
  sbom: 'the form is true, false or generator=IMAGE',
};

/** The scanner that buildx uses. */
const SCANNER = 'docker.io/docker/buildkit-syft-scanner:stable-1';

export interface AttestationFlags {
  readonly provenance?: string | undefined;
  readonly sbom?: string | undefined;
  readonly attest: readonly string[];
}

export interface Attestations {
  readonly provenance: ProvenanceOptions | undefined;
  readonly sbom: { readonly generator: string } | undefined;
}

/**
 * `--provenance`, `--sbom` and `--attest` together: the first `--attest` of a type counts, then the type's own flag;
 * undefined where nothing is to be attested. E_USAGE, E_UNSUPPORTED for other types.
 */
export function attestationsOf({ provenance, sbom, attest }: AttestationFlags): Attestations {
  const all = attest.map((text) => fieldsOf('--attest', text));
  if (provenance) all.push(fieldsOf('--provenance', provenance));
  if (sbom) all.push(fieldsOf('--sbom', sbom));
  const chosen = (type: Type) => {
    const first = all.find((one) => one.type === type);
    return first && !flag(first, 'disabled') ? first : undefined;
  };
  return { provenance: provenanceOf(chosen('provenance')), sbom: sbomOf(chosen('sbom')) };
}

function provenanceOf(attestation: Fields | undefined): ProvenanceOptions | undefined {
  if (!attestation) return undefined;
  const { mode = 'max', version = 'v1', 'builder-id': builderId, filename } = attestation.fields;
  if (filename !== undefined && (filename === '' || /[/\0]|^\.\.?$/.test(filename))) {
    throw wrong('provenance', `filename=${JSON.stringify(filename)} is not the name of a file`);
  }
  return {
    mode: choice('mode', mode, ['min', 'max']),
    version: choice('version', version, ['v1', 'v0.2']),
    builderId,
    filename,
    reproducible: flag(attestation, 'reproducible'),
    inlineOnly: flag(attestation, 'inline-only'),
    builderVersion: identity().version,
  };
}

function sbomOf(attestation: Fields | undefined): Attestations['sbom'] {
  return attestation && { generator: attestation.fields['generator'] || SCANNER };
}

interface Fields {
  readonly type: Type;
  readonly fields: Readonly<Record<string, string | undefined>>;
}

function fieldsOf(name: '--provenance' | '--sbom' | '--attest', text: string): Fields {
  const own = { '--attest': undefined, '--provenance': 'provenance', '--sbom': 'sbom' }[name];
  if (isType(own) && !text.includes('=')) {
    return { type: own, fields: { disabled: String(!readSwitch(own, text)) } };
  }
  const fields: Fields['fields'] = namedValues(splitCsv(text), 'attestation');
  const { type = own } = fields;
  if (type === undefined) throw wrong('provenance', `${name} ${JSON.stringify(text)}: type= is missing`);
  if (!isType(type)) {
    throw new BldError('E_UNSUPPORTED', `attestations of type ${JSON.stringify(type)} are not provided`, {
      hint: 'there are type=provenance and type=sbom',
    });
  }
  const keys: readonly string[] = ['type', 'disabled', ...KEYS[type]];
  const unknown = Object.keys(fields).find((key) => !keys.includes(key));
  if (unknown !== undefined) {
    throw wrong(type, `an attestation of type ${type} has no option ${JSON.stringify(unknown)}`);
  }
  return { type, fields };
}

function isType(text: string | undefined): text is Type {
  return text !== undefined && Object.hasOwn(KEYS, text);
}

function readSwitch(type: Type, text: string): boolean {
  try {
    return readBool(text);
  } catch {
    throw wrong(type, `--${type}: invalid value ${JSON.stringify(text)}`);
  }
}

/** As a flag of the command line: `disabled` alone is `disabled=true`. */
function flag({ type, fields }: Fields, key: string): boolean {
  const text = fields[key];
  if (text === undefined) return false;
  try {
    return readBool(text || 'true');
  } catch {
    throw wrong(type, `${key} is true or false, not ${JSON.stringify(text)}`);
  }
}

function choice<const W extends string>(key: string, text: string, words: readonly W[]): W {
  try {
    return readChoice(...words)(text);
  } catch {
    throw wrong('provenance', `${key} is ${words.join(' or ')}, not ${JSON.stringify(text)}`);
  }
}

function wrong(type: Type, message: string): BldError {
  return new BldError('E_USAGE', message, { hint: FORMS[type] });
}

/** What `--metadata-file` is to tell of it: as much as the variable says that buildx has for that. */
export function toldProvenance(setting: string | undefined): 'short' | 'all' | undefined {
  if (setting === 'disabled') return undefined;
  return setting === 'max' ? 'all' : 'short';
}
