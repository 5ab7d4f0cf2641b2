import { didYouMean } from '../base/suggest.ts';
import { Complaint } from './errors.ts';

/** A `RUN --mount=`, variables expanded, defaults filled in; paths not yet resolved against WORKDIR or a root. */
export type Mount = BindMount | CacheMount | TmpfsMount | SecretMount;

export interface BindMount {
  readonly type: 'bind';
  readonly target: string;
  /** Inside `from`; `/` when not given. */
  readonly source: string;
  /** A stage, an image or a named context; the build context when absent. */
  readonly from?: string;
  readonly readonly: boolean;
  readonly options: MountOptions;
}

export interface CacheMount {
  readonly type: 'cache';
  readonly target: string;
  readonly id: string;
  readonly sharing: 'shared' | 'private' | 'locked';
  /** What a new cache starts with. */
  readonly from?: string;
  readonly source: string;
  /** Of the directory when it is made. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly readonly: boolean;
  readonly options: MountOptions;
}

export interface TmpfsMount {
  readonly type: 'tmpfs';
  readonly target: string;
  /** Bytes. */
  readonly size?: number;
  readonly mode?: number;
  readonly readonly: boolean;
  readonly options: MountOptions;
}

export interface SecretMount {
  readonly type: 'secret' | 'ssh';
  readonly id: string;
  /** Absent for a secret that goes into `env` alone; an agent's socket gets one from the builder. */
  readonly target?: string;
  readonly env?: string;
  readonly required: boolean;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly options: MountOptions;
}

/** What Buildah knows besides: nosuid, nodev, noexec, z, Z, U, bind-propagation, relabel, … */
export type MountOptions = Readonly<Record<string, string>>;

const ALIASES: Readonly<Record<string, string>> = {
  src: 'source',
  dst: 'target',
  destination: 'target',
  ro: 'readonly',
  rw: 'readwrite',
  'tmpfs-size': 'size',
  'tmpfs-mode': 'mode',
};
const SWITCHES = ['readonly', 'readwrite', 'required'];
const COMMON_EXTRAS = ['z', 'Z', 'U', 'relabel', 'consistency'];
const FILE_SYSTEM = ['nosuid', 'suid', 'nodev', 'dev', 'noexec', 'exec'];
const BIND_EXTRAS = [...COMMON_EXTRAS, ...FILE_SYSTEM, 'bind-propagation', 'bind-nonrecursive'];
const OWNED = ['mode', 'uid', 'gid'];

interface TypeKeys {
  readonly keys: readonly string[];
  readonly extras: readonly string[];
}

const TYPES: Readonly<Record<string, TypeKeys>> = {
  bind: { keys: ['source', 'target', 'from', 'readonly', 'readwrite'], extras: BIND_EXTRAS },
  cache: {
    keys: ['id', 'source', 'target', 'from', 'sharing', 'readonly', 'readwrite', ...OWNED],
    extras: BIND_EXTRAS,
  },
  tmpfs: {
    keys: ['target', 'size', 'mode', 'readonly', 'readwrite'],
    extras: [...FILE_SYSTEM, 'tmpcopyup', 'notmpcopyup'],
  },
  secret: { keys: ['id', 'source', 'target', 'env', 'required', ...OWNED], extras: COMMON_EXTRAS },
  ssh: { keys: ['id', 'source', 'target', 'required', ...OWNED], extras: COMMON_EXTRAS },
};
const ALL_KEYS = [...new Set(Object.values(TYPES).flatMap(({ keys, extras }) => [...keys, ...extras]))];

type Fields = ReadonlyMap<string, string>;

/** Complains about what is wrong whatever the variables are; values with a `$` are left for `parseMount`. */
export function checkMount(text: string): void {
  if (!text.includes('$')) parseMount(text);
  else readFields(text);
}

/** The `from=` of a mount before expansion; undefined without one. */
export function mountSource(text: string): string | undefined {
  return readFields(text).get('from');
}

/** Reads a `--mount=` value, each of its values passed through `expand`; throws a Complaint. */
export function parseMount(text: string, expand: (value: string) => string = (value) => value): Mount {
  const fields = readFields(text, expand);
  const type = fields.get('type') ?? 'bind';
  const known = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
  if (!known) {
    const guess = didYouMean(type, Object.keys(TYPES));
    throw new Complaint(`unsupported mount type ${JSON.stringify(type)}${guess}`, { near: type });
  }
  for (const key of fields.keys()) {
    if (key === 'type' || known.keys.includes(key) || known.extras.includes(key)) continue;
    throw new Complaint(`unexpected key '${key}' for mount type '${type}'`, { near: key });
  }
  const options = Object.fromEntries([...fields].filter(([key]) => known.extras.includes(key)));
  if (type === 'cache') return { ...cacheMount(fields), options };
  if (type === 'tmpfs') return { ...tmpfsMount(fields), options };
  if (type === 'secret' || type === 'ssh') return { ...secretMount(fields, type), options };
  const from = fields.get('from');
  const isReadonly = isOn(fields, 'readonly') ?? !(isOn(fields, 'readwrite') ?? false);
  return {
    type: 'bind',
    target: targetOf(fields),
    source: fields.get('source') || '/',
    ...(from && { from }),
    readonly: isReadonly,
    options,
  };
}

function cacheMount(fields: Fields): Omit<CacheMount, 'options'> {
  const sharing = fields.get('sharing') ?? 'shared';
  if (sharing !== 'shared' && sharing !== 'private' && sharing !== 'locked') {
    const guess = didYouMean(sharing, ['shared', 'private', 'locked']);
    throw new Complaint(`unsupported sharing value ${JSON.stringify(sharing)}${guess}`, { near: sharing });
  }
  const target = targetOf(fields);
  const from = fields.get('from');
  return {
    type: 'cache',
    target,
    id: fields.get('id') || target,
    sharing,
    ...(from && { from }),
    source: fields.get('source') || '/',
    mode: numberOf(fields, 'mode', 8) ?? 0o755,
    uid: numberOf(fields, 'uid', 10) ?? 0,
    gid: numberOf(fields, 'gid', 10) ?? 0,
    readonly: isOn(fields, 'readonly') ?? false,
  };
}

function tmpfsMount(fields: Fields): Omit<TmpfsMount, 'options'> {
  const size = fields.get('size');
  const mode = numberOf(fields, 'mode', 8);
  return {
    type: 'tmpfs',
    target: targetOf(fields),
    ...(size !== undefined && { size: bytesOf(size) }),
    ...(mode !== undefined && { mode }),
    readonly: isOn(fields, 'readonly') ?? false,
  };
}

function secretMount(fields: Fields, type: 'secret' | 'ssh'): Omit<SecretMount, 'options'> {
  const [target, env] = [fields.get('target'), fields.get('env')];
  const named = fields.get('id') || fields.get('source');
  const id = named || (type === 'ssh' ? 'default' : (target ?? '').replace(/^.*\//, ''));
  if (id === '')
    throw new Complaint('invalid secret mount. one of id, source, target required', { near: '--mount' });
  const isFile = type === 'secret' && (target !== undefined || env === undefined);
  const path = isFile ? target || `/run/secrets/${id}` : target;
  return {
    type,
    id,
    ...(path && { target: path }),
    ...(env && { env }),
    required: isOn(fields, 'required') ?? false,
    mode: numberOf(fields, 'mode', 8) ?? (type === 'ssh' ? 0o600 : 0o400),
    uid: numberOf(fields, 'uid', 10) ?? 0,
    gid: numberOf(fields, 'gid', 10) ?? 0,
  };
}

function readFields(text: string, expand = (value: string) => value): Fields {
  const fields = new Map<string, string>();
  for (const field of splitCommas(text)) {
    const equals = field.indexOf('=');
    const written = equals < 0 ? field : field.slice(0, equals);
    // `Z` and `z` differ; all else is read in any case.
    const key = written.length === 1 ? written : written.toLowerCase();
    const name = (Object.hasOwn(ALIASES, key) ? ALIASES[key] : undefined) ?? key;
    const isKnown = name === 'type' || ALL_KEYS.includes(name);
    const canStandAlone =
      SWITCHES.includes(name) || [...BIND_EXTRAS, 'tmpcopyup', 'notmpcopyup'].includes(name);
    if (equals < 0 && !canStandAlone) {
      throw new Complaint(`invalid field '${field}' must be a key=value pair`, {
        near: field || text,
        ...(field === '' && {
          hint: 'fields are joined by single commas, with no blanks: type=cache,target=/x',
        }),
      });
    }
    if (!isKnown) {
      const guess = didYouMean(key, ['type', ...Object.keys(ALIASES), ...ALL_KEYS]);
      throw new Complaint(`unexpected key '${written}' in '${field}'${guess}`, { near: written });
    }
    const value = field.slice(equals + 1);
    fields.set(name, equals < 0 ? 'true' : value.includes('$') ? expand(value) : value);
  }
  return fields;
}

/** Fields of a line of comma-separated values: one that starts with `"` may hold commas. */
function splitCommas(text: string): string[] {
  const fields = text.match(/(?:^|,)(?:"(?:[^"]|"")*"|[^,]*)/g) ?? [];
  return fields.map((field, index) => {
    const plain = index === 0 ? field : field.slice(1);
    return plain.startsWith('"') ? plain.slice(1, -1).replaceAll('""', '"') : plain;
  });
}

function targetOf(fields: Fields): string {
  const target = fields.get('target') ?? '';
  if (/^\/*$/.test(target)) {
    throw new Complaint(`invalid mount target ${JSON.stringify(target || '/')}`, {
      near: target || '--mount',
      hint: `target= ${target === '' ? 'is missing: it ' : ''}names a directory or file below /`,
    });
  }
  return target;
}

function isOn(fields: Fields, key: string): boolean | undefined {
  const value = fields.get(key);
  if (value === undefined) return undefined;
  if (/^(?:1|t|true)$/i.test(value) || value === '') return true;
  if (/^(?:0|f|false)$/i.test(value)) return false;
  throw new Complaint(`invalid value for ${key}: ${value}`, { near: value });
}

function numberOf(fields: Fields, key: string, base: 8 | 10): number | undefined {
  const value = fields.get(key);
  if (value === undefined) return undefined;
  const form = base === 8 ? /^[0-7]{1,5}$/ : /^\d{1,10}$/;
  const number = Number.parseInt(value, base);
  if (form.test(value) && number <= (base === 8 ? 0o7777 : 0xffff_fffe)) return number;
  throw new Complaint(`invalid value ${value} for ${key}`, { near: value });
}

const UNITS: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3, t: 4 };

/** `64m`, `1.5g`, `1048576`: bytes. */
function bytesOf(text: string): number {
  const [, amount = '', unit = ''] = /^(\d{1,15}(?:\.\d{1,9})?) ?([kmgt]?)(?:i?b)?$/i.exec(text) ?? [];
  if (amount === '') throw new Complaint(`invalid value for size: ${text}`, { near: text });
  return Math.floor(Number(amount) * 1024 ** (UNITS[unit.toLowerCase()] ?? 0));
}
