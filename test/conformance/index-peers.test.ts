import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { Bench } from '../helpers/bld.ts';
import { Docker } from '../helpers/docker.ts';

const REGISTRY = inject('registry');
const DOCKERFILE = `FROM --platform=$BUILDPLATFORM ${inject('base')} AS base
FROM scratch
ARG TARGETARCH
ENV ARCH=$TARGETARCH
COPY --from=base /bin /bin
CMD ["/bin/sh", "-c", "echo made for $ARCH"]
`;
const HOST = { x64: 'amd64' }[process.arch as string] ?? process.arch;
let work = '';
let docker: Docker | null = null;

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'bld-index-peers-'));
  docker = await Docker.start();
});
afterAll(async () => {
  await docker?.[Symbol.asyncDispose]();
  rmSync(work, { recursive: true, force: true });
});

function peer(program: string, ...args: string[]): string {
  const result = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, STORAGE_DRIVER: 'vfs', XDG_RUNTIME_DIR: work },
  });
  if (result.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${result.stderr}`);
  return result.stdout.trim();
}

describe.runIf(REGISTRY).each(['oci', 'docker'])('an index of format %s', (format) => {
  test('is taken by docker, podman, buildah and skopeo, each for its platform', () => {
    using bench = new Bench('root');
    const context = bench.mkdir('context');
    writeFileSync(join(context, 'Dockerfile'), DOCKERFILE);
    const name = `${REGISTRY}/peers/index:${format}`;
    const flags = [
      '--tls-verify=false',
      '--push',
      '--format',
      format,
      '--platform',
      'linux/amd64,linux/arm64',
    ];
    bench.run('build', ...flags, '-t', name, context);
    if (docker) {
      const ran = docker.run('run', '--rm', '--network', 'none', name);
      expect(ran.stdout.trim() || ran.stderr).toBe(`made for ${HOST}`);
      const pulled = docker.run('pull', '--platform', 'linux/arm64', name);
      expect(pulled.status, pulled.stderr).toBe(0);
      expect(docker.run('inspect', '--format', '{{.Architecture}}', name).stdout.trim()).toBe('arm64');
    }
    const storage = (tool: string) => {
      mkdirSync(join(work, tool, 'run'), { recursive: true });
      return ['--root', join(work, tool), '--runroot', join(work, tool, 'run')];
    };
    const pull = ['pull', '-q', '--tls-verify=false', '--arch', 'arm64', name];
    peer('podman', ...storage('podman'), ...pull);
    const inspected = peer('podman', ...storage('podman'), 'inspect', '--format', '{{.Architecture}}', name);
    expect(inspected).toBe('arm64');
    const buildah = (...words: string[]) => peer('buildah', ...storage('buildah'), 'manifest', ...words);
    buildah('create', format);
    buildah('add', '--all', '--tls-verify=false', format, `docker://${name}`);
    const list = JSON.parse(buildah('inspect', format));
    expect(list.manifests).toHaveLength(2);
    const copied = `oci:${join(work, `copied-${format}`)}:x`;
    peer('skopeo', 'copy', '--all', '--src-tls-verify=false', `docker://${name}`, copied);
    const raw = JSON.parse(peer('skopeo', 'inspect', '--raw', copied));
    expect(raw.manifests).toHaveLength(2);
  });
});
