import { join } from 'node:path';
import type { Lab } from '../lab.ts';
import { type Service, startService, waitFor } from '../registry.ts';
import { runShell } from '../shell.ts';
import type { Peer } from '../types.ts';

export interface DockerPlace {
  /** `chroot DIR`, or nothing. */
  readonly prefix: string;
  /** Different for each daemon. */
  readonly folder: string;
}

/** A daemon that keeps all its data in `store`, once it answers the client. */
async function startDaemon(prefix: string, store: string, answers: () => Promise<boolean>): Promise<Service> {
  const flags = [
    ...['--host', `unix://${join(store, 'socket')}`],
    ...['--data-root', join(store, 'data'), '--exec-root', join(store, 'exec')],
    ...['--pidfile', join(store, 'pid')],
    ...['--bridge=none', '--iptables=false', '--ip6tables=false'],
  ];
  const program = [...prefix.split(' ').filter((word) => word !== ''), 'dockerd'];
  const service = startService([...program, ...flags], join(store, 'log'));
  try {
    await waitFor(`${prefix} dockerd`.trim(), answers);
    return service;
  } catch (error) {
    await service[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * A Docker daemon of its own with the client that came with it. An empty store is a new daemon. Dispose it to end the
 * daemon.
 */
export async function dockerPeer(lab: Lab, { prefix, folder }: DockerPlace): Promise<Peer & AsyncDisposable> {
  const store = lab.directory(folder);
  const env = {
    TOOL: `${prefix} /usr/bin/docker`.trim(),
    DOCKER_HOST: `unix://${join(store, 'socket')}`,
    DOCKER_BUILDKIT: '1',
  };
  const ask = (script: string) => runShell(lab, script, { env });
  const succeeds = (script: string): Promise<boolean> =>
    ask(script).then(
      () => true,
      () => {
        lab.signal.throwIfAborted();
        return false;
      },
    );
  const start = () => startDaemon(prefix, store, () => succeeds('$TOOL version'));
  let service = await start();
  try {
    const { stdout } = await ask("$TOOL version --format '{{.Server.Version}}'");
    const hasBuildx = await succeeds('$TOOL buildx version');
    return {
      name: `docker ${stdout.split('+')[0]}`,
      family: 'docker',
      store: join(store, 'data'),
      env: {
        ...env,
        PULL: 'pull -q',
        BUD: 'build --network host',
        BUILD: 'build -q --no-cache --network host',
        // without a place to go, a build costs what its steps cost
        NOWHERE: hasBuildx ? '--output type=cacheonly' : '',
      },
      async empty() {
        await service[Symbol.asyncDispose]();
        lab.retire(folder);
        lab.directory(folder);
        service = await start();
      },
      [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
    };
  } catch (error) {
    await service[Symbol.asyncDispose]();
    throw error;
  }
}
