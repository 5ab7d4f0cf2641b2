/**
 * The documents of an image, as schemas: OCI image specification 1.1 ("Image Manifest", "Image Index", "Image
 * Configuration") and Docker's schema 2, which differ in media types alone. Only this file knows the schema library.
 */
import * as v from 'valibot';
import type { Descriptor, Platform } from '../base/descriptor.ts';
import { type Digest, isDigest } from '../base/digest.ts';

/** Readonly all the way down, without the index signatures of loose objects. */
type DeepReadonly<T> = T extends string | number | boolean | null | undefined | StringMap | KeySet
  ? T
  : T extends readonly (infer Item)[]
    ? readonly DeepReadonly<Item>[]
    : { readonly [K in keyof T as string extends K ? never : K]: DeepReadonly<T[K]> };
/** What a loose schema promises of the fields it names; others are kept at run time but have no type. */
type Known<Entries extends v.ObjectEntries> = DeepReadonly<v.InferOutput<v.ObjectSchema<Entries, undefined>>>;

/** Labels, annotations: any key is data, so values of this type have a null prototype when bld makes them. */
export type StringMap = Readonly<Record<string, string>>;
/** Docker's way of writing a set: `{"80/tcp": {}}`. */
export type KeySet = Readonly<Record<string, object>>;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const digest = v.custom<Digest>(isDigest, 'malformed digest');
const size = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const strings = v.array(v.string());
const stringMap = v.custom<StringMap>(
  (value) => isObject(value) && Object.values(value).every((item) => typeof item === 'string'),
  'expected a map of strings',
);
const keySet = v.custom<KeySet>(
  (value) => isObject(value) && Object.values(value).every(isObject),
  'expected a map of empty objects',
);

const platformEntries = {
  architecture: v.string(),
  os: v.string(),
  'os.version': v.exactOptional(v.string()),
  'os.features': v.exactOptional(strings),
  variant: v.exactOptional(v.string()),
};

const descriptorEntries = {
  mediaType: v.string(),
  digest,
  size,
  urls: v.exactOptional(strings),
  annotations: v.exactOptional(stringMap),
  data: v.exactOptional(v.string()),
  platform: v.exactOptional(v.looseObject(platformEntries)),
  artifactType: v.exactOptional(v.string()),
};
const descriptor = v.looseObject(descriptorEntries);

const manifestEntries = {
  schemaVersion: v.literal(2),
  mediaType: v.exactOptional(v.string()),
  artifactType: v.exactOptional(v.string()),
  config: descriptor,
  layers: v.pipe(v.array(descriptor), v.maxLength(10_000)),
  subject: v.exactOptional(descriptor),
  annotations: v.exactOptional(stringMap),
};
export const manifestSchema = v.looseObject(manifestEntries);
/** An image manifest, OCI or Docker schema 2. */
export type Manifest = Known<typeof manifestEntries>;

const indexEntries = {
  schemaVersion: v.literal(2),
  mediaType: v.exactOptional(v.string()),
  artifactType: v.exactOptional(v.string()),
  manifests: v.pipe(v.array(descriptor), v.maxLength(10_000)),
  subject: v.exactOptional(descriptor),
  annotations: v.exactOptional(stringMap),
};
export const indexSchema = v.looseObject(indexEntries);
/** An OCI image index or a Docker manifest list. */
export type Index = Known<typeof indexEntries>;

const healthcheckEntries = {
  Test: v.exactOptional(strings),
  /** Nanoseconds, as the others. */
  Interval: v.exactOptional(v.number()),
  Timeout: v.exactOptional(v.number()),
  StartPeriod: v.exactOptional(v.number()),
  StartInterval: v.exactOptional(v.number()),
  Retries: v.exactOptional(v.number()),
};
export type Healthcheck = Known<typeof healthcheckEntries>;

const settingsEntries = {
  User: v.exactOptional(v.string()),
  ExposedPorts: v.exactOptional(keySet),
  Env: v.exactOptional(strings),
  Entrypoint: v.exactOptional(strings),
  Cmd: v.exactOptional(strings),
  Volumes: v.exactOptional(keySet),
  WorkingDir: v.exactOptional(v.string()),
  Labels: v.exactOptional(stringMap),
  StopSignal: v.exactOptional(v.string()),
  StopTimeout: v.exactOptional(v.number()),
  ArgsEscaped: v.exactOptional(v.boolean()),
  Healthcheck: v.exactOptional(v.looseObject(healthcheckEntries)),
  OnBuild: v.exactOptional(strings),
  Shell: v.exactOptional(strings),
  Hostname: v.exactOptional(v.string()),
  Domainname: v.exactOptional(v.string()),
};
/** How containers of the image run: the `config` member of an image configuration, Docker's extensions included. */
export type ContainerConfig = Known<typeof settingsEntries>;

const historyEntries = {
  created: v.exactOptional(v.string()),
  created_by: v.exactOptional(v.string()),
  author: v.exactOptional(v.string()),
  comment: v.exactOptional(v.string()),
  empty_layer: v.exactOptional(v.boolean()),
};
export type History = Known<typeof historyEntries>;

const configEntries = {
  /** RFC 3339. */
  created: v.exactOptional(v.string()),
  author: v.exactOptional(v.string()),
  ...platformEntries,
  config: v.exactOptional(v.looseObject(settingsEntries)),
  rootfs: v.looseObject({ type: v.string(), diff_ids: v.pipe(v.array(digest), v.maxLength(10_000)) }),
  history: v.exactOptional(v.array(v.looseObject(historyEntries))),
};
export const configSchema = v.looseObject(configEntries);
/** An image configuration. Never changed in place: `mutate.ts` makes new ones. */
export type ImageConfig = Known<typeof configEntries>;

const stepEntries = {
  key: digest,
  /** The diffID of the step's layer; absent when it changed no file. */
  layer: v.exactOptional(digest),
  site: v.pipe(v.string(), v.maxLength(10_000)),
  /** Milliseconds since 1970. */
  created: size,
  inputs: v.pipe(v.array(v.strictTuple([v.string(), v.string()])), v.maxLength(10_000)),
  result: v.strictObject({
    value: v.union([v.null(), v.string(), v.number()]),
    entry: v.looseObject(historyEntries),
  }),
};
export const stepsSchema = v.looseObject({
  version: v.literal(1),
  records: v.pipe(v.array(v.strictObject(stepEntries)), v.maxLength(100_000)),
});
/** What a build cache tells of one step. */
export type StepDocument = Known<typeof stepEntries>;

/** A descriptor as documents hold it: with embedded `data` (base64) perhaps. */
export type EmbeddingDescriptor = Descriptor & { readonly data?: string };
export type { Descriptor, Platform };

/** The first thing that is wrong with the value, `path: problem`; undefined when the schema holds. */
export function problemOf(schema: v.GenericSchema, value: unknown): string | undefined {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return undefined;
  const [issue] = result.issues;
  const path = v.getDotPath(issue);
  return path === null ? issue.message : `${path}: ${issue.message}`;
}
