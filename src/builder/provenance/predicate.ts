import type { Facts, ProvenanceOptions, Resource, StepFact } from './types.ts';

/** What kind of build this is: how to read the parameters. */
const BUILD_TYPE = 'urn:bld:build:v1';

/** The type of a provenance predicate, as in-toto names it. */
export function predicateType({ version }: Pick<ProvenanceOptions, 'version'>): string {
  return `https://slsa.dev/provenance/${version}`;
}

/** A SLSA provenance predicate: the same facts and options give the same bytes. */
export function predicateOf(facts: Facts, options: ProvenanceOptions): object {
  return options.version === 'v1' ? currentPredicate(facts, options) : olderPredicate(facts, options);
}

/** What `--metadata-file` tells: of the older version, and without what has times in it unless all is asked for. */
export function metadataPredicate(facts: Facts, options: ProvenanceOptions, isFull: boolean): object {
  const { buildConfig, metadata, ...rest } = olderPredicate(facts, options);
  return isFull ? { ...rest, ...(buildConfig && { buildConfig }), metadata } : rest;
}

function currentPredicate(facts: Facts, options: ProvenanceOptions): object {
  const { started, finished, invocation, materials, platform } = facts;
  const { builderId = '', builderVersion, reproducible } = options;
  const path = facts.entryPoint;
  const source = sourceOf(facts, options);
  return {
    buildDefinition: {
      buildType: BUILD_TYPE,
      externalParameters: {
        configSource: { ...facts.source, path },
        request: requestOf(facts, options),
      },
      internalParameters: { builderPlatform: platform, ...configOf(facts, options) },
      ...(materials.length > 0 && { resolvedDependencies: materials }),
    },
    runDetails: {
      builder: { id: builderId, ...(builderVersion !== undefined && { version: { bld: builderVersion } }) },
      metadata: {
        ...(invocation !== undefined && { invocationId: invocation }),
        startedOn: started,
        finishedOn: finished,
        ...(source && { bld_metadata: { source } }),
        bld_completeness: {
          request: isWhole(facts, options),
          resolvedDependencies: facts.locals.length === 0,
        },
        ...(reproducible && { bld_reproducible: true }),
      },
    },
  };
}

/** Version 0.2, which many readers know alone. */
function olderPredicate(facts: Facts, options: ProvenanceOptions) {
  const { started, finished, invocation, materials, platform } = facts;
  const source = sourceOf(facts, options);
  const { buildConfig } = configOf(facts, options);
  return {
    builder: { id: options.builderId ?? '' },
    buildType: BUILD_TYPE,
    ...(materials.length > 0 && { materials }),
    invocation: {
      configSource: { ...facts.source, entryPoint: facts.entryPoint },
      parameters: requestOf(facts, options),
      environment: { platform },
    },
    ...(buildConfig && { buildConfig }),
    metadata: {
      ...(invocation !== undefined && { buildInvocationID: invocation }),
      buildStartedOn: started,
      buildFinishedOn: finished,
      completeness: {
        parameters: isWhole(facts, options),
        environment: true,
        materials: facts.locals.length === 0,
      },
      reproducible: options.reproducible ?? false,
      ...(source && { [`${BUILD_TYPE}#metadata`]: { source } }),
    },
  };
}

function requestOf(facts: Facts, options: ProvenanceOptions): object {
  const args = Object.fromEntries(toldArgs(facts, options));
  const isMax = options.mode === 'max';
  const ids = (all: readonly string[]) => all.map((id) => ({ id }));
  return {
    frontend: 'dockerfile',
    ...(Object.keys(args).length > 0 && { args }),
    ...(isMax && facts.secrets.length > 0 && { secrets: ids(facts.secrets) }),
    ...(isMax && facts.agents.length > 0 && { ssh: ids(facts.agents) }),
    ...(facts.locals.length > 0 && { locals: facts.locals.map((name) => ({ name })) }),
  };
}

/** Values that people choose may be what is not to be told. */
const CHOSEN = /^(?:build-arg|label|env):/;

function toldArgs({ args }: Facts, { mode }: ProvenanceOptions): [string, string][] {
  return Object.entries(args).filter(([name]) => mode === 'max' || !CHOSEN.test(name));
}

function isWhole(facts: Facts, options: ProvenanceOptions): boolean {
  return facts.isWhole && toldArgs(facts, options).length === Object.keys(facts.args).length;
}

function configOf({ steps }: Facts, { mode }: ProvenanceOptions) {
  return mode === 'max' ? { buildConfig: { steps: steps.map(stepOf) } } : {};
}

function stepOf({ id, stage, instruction, lines, layer }: StepFact): object {
  const [first, last] = lines ?? [];
  const range = lines && { start: { line: first }, end: { line: last } };
  return { id, stage, instruction, ...(range && { location: range }), ...(layer && { layer }) };
}

function sourceOf({ entryPoint, dockerfile }: Facts, { mode }: ProvenanceOptions) {
  if (mode === 'min') return undefined;
  const data = Buffer.from(dockerfile).toString('base64');
  return { infos: [{ filename: entryPoint, language: 'Dockerfile', data }] };
}

/** Something that is said of an image. */
export interface Claim {
  readonly predicateType: string;
  readonly predicate: unknown;
  /** Of the file that says it of exported files; undefined for none. */
  readonly filename: string | undefined;
}

/** An in-toto statement that the claim is true of the subjects. */
export function statementOf(
  subjects: readonly (Pick<Resource, 'digest'> & { readonly name: string })[],
  { predicateType, predicate }: Omit<Claim, 'filename'>,
): Buffer {
  const subject = subjects.map(({ name, digest }) => ({ name, digest }));
  const _type = 'https://in-toto.io/Statement/v0.1';
  return Buffer.from(JSON.stringify({ _type, predicateType, subject, predicate }));
}
