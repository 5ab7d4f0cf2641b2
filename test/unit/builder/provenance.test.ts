import { describe, expect, test } from 'vitest';
import {
  metadataPredicate,
  predicateOf,
  predicateType,
  statementOf,
} from '../../../src/builder/provenance/predicate.ts';
import { imagePurl, layoutPurl } from '../../../src/builder/provenance/purl.ts';
import type { Facts, ProvenanceOptions } from '../../../src/builder/provenance/types.ts';
import { parseReference } from '../../../src/images/reference.ts';

const BASE = { uri: 'pkg:docker/alpine@3.20?platform=linux%2Famd64', digest: { sha256: 'ab' } };
const FACTS: Facts = {
  entryPoint: 'Dockerfile',
  dockerfile: 'FROM alpine:3.20\n',
  args: { 'build-arg:V': '1', 'label:l': 'x', target: 'app' },
  isWhole: true,
  secrets: ['token'],
  agents: ['default'],
  locals: ['context', 'dockerfile'],
  materials: [BASE],
  platform: 'linux/amd64',
  started: '2026-01-01T00:00:00Z',
  finished: '2026-01-01T00:00:01Z',
  invocation: 'one',
  steps: [
    { id: 'step0', stage: '0', instruction: 'FROM alpine:3.20', lines: [1, 1] },
    { id: 'step1', stage: '0', instruction: 'RUN true', layer: { sha256: 'cd' } },
  ],
};
const MAX: ProvenanceOptions = { mode: 'max', version: 'v1' };
const MIN: ProvenanceOptions = { mode: 'min', version: 'v1' };

describe('predicates', () => {
  test('v1 with all that is known', () => {
    expect(
      predicateOf(FACTS, { ...MAX, builderId: 'https://ci', builderVersion: '9', reproducible: true }),
    ).toEqual({
      buildDefinition: {
        buildType: 'urn:bld:build:v1',
        externalParameters: {
          configSource: { path: 'Dockerfile' },
          request: {
            frontend: 'dockerfile',
            args: FACTS.args,
            secrets: [{ id: 'token' }],
            ssh: [{ id: 'default' }],
            locals: [{ name: 'context' }, { name: 'dockerfile' }],
          },
        },
        internalParameters: {
          builderPlatform: 'linux/amd64',
          buildConfig: {
            steps: [
              {
                id: 'step0',
                stage: '0',
                instruction: 'FROM alpine:3.20',
                location: { start: { line: 1 }, end: { line: 1 } },
              },
              { id: 'step1', stage: '0', instruction: 'RUN true', layer: { sha256: 'cd' } },
            ],
          },
        },
        resolvedDependencies: [BASE],
      },
      runDetails: {
        builder: { id: 'https://ci', version: { bld: '9' } },
        metadata: {
          invocationId: 'one',
          startedOn: FACTS.started,
          finishedOn: FACTS.finished,
          bld_metadata: {
            source: {
              infos: [{ filename: 'Dockerfile', language: 'Dockerfile', data: 'RlJPTSBhbHBpbmU6My4yMAo=' }],
            },
          },
          bld_completeness: { request: true, resolvedDependencies: false },
          bld_reproducible: true,
        },
      },
    });
  });

  test('min has no values that people chose, and says that something is left out', () => {
    const text = JSON.stringify(predicateOf(FACTS, MIN));
    expect(text).not.toMatch(/build-arg|label|token|RUN|steps|infos/);
    expect(predicateOf(FACTS, MIN)).toMatchObject({
      buildDefinition: { externalParameters: { request: { args: { target: 'app' } } } },
      runDetails: { builder: { id: '' }, metadata: { bld_completeness: { request: false } } },
    });
    const bare = { ...FACTS, args: { target: 'app' }, locals: [] };
    expect(predicateOf(bare, MIN)).toMatchObject({
      runDetails: { metadata: { bld_completeness: { request: true, resolvedDependencies: true } } },
    });
  });

  test('v0.2', () => {
    const source = { uri: 'https://example.com/a.git#main', digest: { sha1: '12' } };
    expect(
      predicateOf({ ...FACTS, source, invocation: undefined }, { mode: 'min', version: 'v0.2' }),
    ).toEqual({
      builder: { id: '' },
      buildType: 'urn:bld:build:v1',
      materials: [BASE],
      invocation: {
        configSource: { ...source, entryPoint: 'Dockerfile' },
        parameters: {
          frontend: 'dockerfile',
          args: { target: 'app' },
          locals: [{ name: 'context' }, { name: 'dockerfile' }],
        },
        environment: { platform: 'linux/amd64' },
      },
      metadata: {
        buildStartedOn: FACTS.started,
        buildFinishedOn: FACTS.finished,
        completeness: { parameters: false, environment: true, materials: false },
        reproducible: false,
      },
    });
    expect(predicateOf(FACTS, { ...MAX, version: 'v0.2' })).toMatchObject({
      buildConfig: { steps: [{ id: 'step0' }, { id: 'step1' }] },
      metadata: { 'urn:bld:build:v1#metadata': { source: { infos: [{ filename: 'Dockerfile' }] } } },
    });
  });

  test('the metadata file gets no times unless it is to have all', () => {
    expect(Object.keys(metadataPredicate(FACTS, MAX, false))).toEqual([
      'builder',
      'buildType',
      'materials',
      'invocation',
    ]);
    expect(metadataPredicate(FACTS, MAX, true)).toMatchObject({
      buildConfig: {},
      metadata: { buildInvocationID: 'one' },
    });
  });

  test('a statement says of what the predicate is true', () => {
    const subject = { name: '_', digest: { sha256: 'ef' } };
    const claim = { predicateType: predicateType({ version: 'v0.2' }), predicate: { a: 1 } };
    const statement = statementOf([subject], claim);
    expect(JSON.parse(statement.toString())).toEqual({
      _type: 'https://in-toto.io/Statement/v0.1',
      predicateType: 'https://slsa.dev/provenance/v0.2',
      subject: [subject],
      predicate: { a: 1 },
    });
  });
});

describe('package URLs', () => {
  const amd64 = { os: 'linux', architecture: 'amd64' };
  const digest = `sha256:${'a'.repeat(64)}`;
  test.each([
    ['alpine', 'pkg:docker/alpine@latest?platform=linux%2Famd64'],
    ['docker.io/library/alpine:3', 'pkg:docker/alpine@3?platform=linux%2Famd64'],
    ['localhost:5077/a/b:1', 'pkg:docker/localhost:5077/a/b@1?platform=linux%2Famd64'],
    [`quay.io/a/b@${digest}`, `pkg:docker/quay.io/a/b?digest=${digest}&platform=linux%2Famd64`],
    [`quay.io/a/b:1@${digest}`, `pkg:docker/quay.io/a/b@1?digest=${digest}&platform=linux%2Famd64`],
  ])('%s', (name, purl) => {
    expect(imagePurl(parseReference(name), amd64)).toBe(purl);
  });

  test('what no registry has', () => {
    const arm = { os: 'linux', architecture: 'arm', variant: 'v7' };
    expect(layoutPurl('my image', arm)).toBe('pkg:oci/my%20image?platform=linux%2Farm%2Fv7');
  });
});
