import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { Bench } from '../helpers/bld.ts';
import { contextOf, directoryOf } from '../helpers/contexts.ts';
import { Docker } from '../helpers/docker.ts';

/** A client with buildx may have another name or place. */
const DOCKER = process.env['BLD_TEST_BUILDX'] ?? 'docker';

function works(...command: readonly [string, ...string[]]): boolean {
  const [program, ...words] = command;
  if (spawnSync(program, words, { stdio: 'ignore', timeout: 20_000 }).status === 0) return true;
  console.log(`${command.join(' ')} does not work here: its comparisons are left out`);
  return false;
}

const registry = inject('registry');
const buildx = works(DOCKER, 'buildx', 'version');
const skopeo = works('skopeo', '--version');
const podman = works('podman', 'info');
const name = (version: string) => `${registry}/provenance-peers/app:${version}`;

function said(program: string, ...words: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${words.join(' ')}: ${stderr}`);
  return stdout.trim();
}

let work = '';
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'bld-provenance-peers-'));
  if (registry === '') return;
  using bench = new Bench('root');
  const context = contextOf(bench, 'FROM BASE\nARG V\nRUN echo $V > /made\nCOPY file /\n', {
    file: 'content',
  });
  for (const version of ['v1', 'v0.2']) {
    const flags = [`--provenance=mode=max,version=${version}`, '--build-arg', 'V=1'];
    bench.run('build', '-q', '--tls-verify=false', ...flags, '--push', '-t', name(version), context);
  }
  const scanner = directoryOf(bench, 'scanner', {
    Dockerfile: 'FROM BASE\nCOPY scan /\nCMD ["sh", "/scan"]\n',
    scan: `echo '{"predicateType":"https://spdx.dev/Document","predicate":{"SPDXID":"SPDXRef-DOCUMENT"}}' \
      > "$BUILDKIT_SCAN_DESTINATION/sbom.spdx.json"`,
  });
  bench.run('build', '-q', '-t', 'scanner', scanner);
  const scanned = ['--sbom=generator=localhost/scanner', '--provenance', '--push', '-t', name('scanned')];
  bench.run('build', '-q', '--tls-verify=false', ...scanned, context);
  const platforms = ['--platform', 'linux/amd64,linux/arm64'];
  const flags = ['-q', '--tls-verify=false', '--provenance', ...platforms, '--push', '-t', name('several')];
  bench.run('build', ...flags, '--target', 'files', contextOf(bench, 'FROM scratch AS files\nCOPY file /\n'));
});
afterAll(() => {
  rmSync(work, { recursive: true, force: true });
});

describe.skipIf(registry === '')('attestations that bld pushed', () => {
  test.skipIf(!buildx)('are read by buildx', () => {
    const inspect = (version: string, format: string) =>
      JSON.parse(said(DOCKER, 'buildx', 'imagetools', 'inspect', '--format', format, name(version)));
    const current = inspect('v1', '{{json .Provenance}}').SLSA;
    expect(current.buildDefinition.externalParameters.request.args).toEqual({ 'build-arg:V': '1' });
    expect(current.buildDefinition.resolvedDependencies).toHaveLength(1);
    const older = inspect('v0.2', '{{json .Provenance}}').SLSA;
    expect(older.invocation.parameters.args).toEqual({ 'build-arg:V': '1' });
    expect(older.buildConfig.steps).toHaveLength(4);
    expect(inspect('scanned', '{{json .SBOM}}')).toEqual({ SPDX: { SPDXID: 'SPDXRef-DOCUMENT' } });
    const several = inspect('several', '{{json .Provenance}}');
    expect(Object.keys(several).sort()).toEqual(['linux/amd64', 'linux/arm64']);
    expect(several['linux/arm64'].SLSA.buildDefinition.externalParameters.request.args).toEqual({
      target: 'files',
    });
    expect(Object.keys(inspect('several', '{{json .Image}}')).sort()).toEqual(['linux/amd64', 'linux/arm64']);
  });

  test.skipIf(!skopeo)('are copied with their images by skopeo', () => {
    for (const [version, count] of [
      ['v1', 2],
      ['several', 4],
    ] as const) {
      const layout = `oci:${join(work, version)}:x`;
      said('skopeo', 'copy', '-q', '--all', '--src-tls-verify=false', `docker://${name(version)}`, layout);
      expect(JSON.parse(said('skopeo', 'inspect', '--raw', layout)).manifests).toHaveLength(count);
    }
  });

  test.skipIf(!podman)('do not keep podman from pulling the image', () => {
    const id = said('podman', 'pull', '-q', '--tls-verify=false', name('v1'));
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    said('podman', 'rmi', '-f', id);
  });

  test('do not keep docker from pulling the image', async () => {
    await using docker = await Docker.start();
    if (!docker) return;
    const { status, stderr } = docker.run('pull', '-q', name('v1'));
    expect(status, stderr).toBe(0);
    expect(docker.run('image', 'inspect', name('v1')).status).toBe(0);
  });
});
