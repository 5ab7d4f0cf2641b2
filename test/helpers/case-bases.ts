/** The images that cases begin with: `base`, `parent` with all settings, `trigger` with ONBUILD. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from './bld.ts';
import { type Files, filesOf, readDockerArchive } from './image-summary.ts';

export const BASES = ['base', 'parent', 'trigger'] as const;

/** As docker builds see them: where they are as archives, and what files they have (all the same). */
export interface Bases {
  readonly archives: readonly string[];
  readonly files: Files;
}

const SETTINGS = {
  base: [],
  parent: [
    ...['--env', 'FROM_PARENT=yes', '--env', 'GREETING=hello', '--label', 'parent=1', '--label', 'kept=yes'],
    ...['--user', 'app', '--workingdir', '/srv/app', '--port', '8080/tcp', '--volume', '/parent-data'],
    ...['--entrypoint', '["/entry"]', '--cmd', '["parent"]', '--stop-signal', 'SIGQUIT'],
    ...['--author', 'parent <p@example.com>', '--healthcheck', 'CMD true', '--healthcheck-interval', '7s'],
    ...['--shell', '["/bin/sh","-ec"]'],
  ],
  trigger: [
    ...['--onbuild', 'ENV TRIGGERED=yes', '--onbuild', 'COPY a.txt /triggered/'],
    ...['--onbuild', 'RUN echo ran > /ran'],
  ],
};

/** Makes the bases of the plain one, in the store of the bench and as archives beside it. */
export function makeBases(bench: Bench, plain: string): Bases {
  const places = bench.mkdir('bases');
  chmodSync(bench.directory, 0o755);
  const etc = join(places, 'etc');
  mkdirSync(etc);
  // builders make these for RUN where an image has none
  writeFileSync(join(etc, 'hosts'), '127.0.0.1 localhost\n');
  writeFileSync(join(etc, 'resolv.conf'), '');
  const archives = BASES.map((name) => {
    const container = bench.run('from', name === 'base' ? plain : 'base');
    if (name === 'base') {
      bench.run('copy', container, etc, '/etc');
      bench.run('copy', container, bench.mkdir('empty'), '/run');
    }
    if (SETTINGS[name].length > 0) bench.run('config', ...SETTINGS[name], container);
    bench.run('commit', '-q', '--rm', '--format', 'docker', container, name);
    const archive = join(places, `${name}.tar`);
    bench.run('push', '-q', name, `docker-archive:${archive}:${name}:latest`);
    return archive;
  });
  return { archives, files: filesOf(readDockerArchive(archives[0] ?? '')) };
}

/** Brings the archives into another bench's store. */
export function loadBases(bench: Bench, { archives }: Bases): void {
  for (const [index, archive] of archives.entries()) {
    bench.run('tag', bench.run('pull', '-q', `docker-archive:${archive}`), BASES[index] ?? '');
  }
}
