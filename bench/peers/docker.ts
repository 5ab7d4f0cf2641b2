import { join } from 'node:path';
import type { Lab } from '../lab.ts';
import { startService, waitFor } from '../registry.ts';
import { runShell } from '../shell.ts';
import type { Peer } from '../types.ts';

export interface DockerPlace {
  /** `chroot DIR`, or nothing. */
  readonly prefix: string;
  /** Different for each daemon. */
  readonly folder: string;
}

const EMPTY = `
images=$($TOOL images -aq)
[ -z "$images" ] || $TOOL rmi -f $images
$TOOL builder prune -af`;

/** A Docker daemon of its own, with all its data in the lab, and the client that came with it. Dispose it to end it. */
export async function dockerPeer(lab: Lab, place: DockerPlace): Promise<Peer & AsyncDisposable> {
  const { prefix, folder } = place;
  const store = lab.directory(folder);
  const socket = `unix://${join(store, 'socket')}`;
  const flags = [
    ...['--host', socket],
    ...['--data-root', join(store, 'data'), '--exec-root', join(store, 'exec')],
    ...['--pidfile', join(store, 'pid')],
    ...['--bridge=none', '--iptables=false', '--ip6tables=false'],
  ];
  const words = prefix.split(' ').filter((word) => word !== '');
  const service = startService([...words, 'dockerd', ...flags], join(store, 'log'));
  const tool = `${prefix} /usr/bin/docker`.trim();
  const env = { TOOL: tool, DOCKER_HOST: socket, DOCKER_BUILDKIT: '1' };
  const ask = (script: string) => runShell(lab, script, { env });
  try {
    await waitFor(`dockerd${prefix && ` (${prefix})`}`, async () =>
      ask('$TOOL version').then(
        () => true,
        () => false,
      ),
    );
    const { stdout } = await ask("$TOOL version --format '{{.Server.Version}}'");
    const buildx = await ask('$TOOL buildx version').then(
      () => true,
      () => false,
    );
    return {
      name: `docker ${stdout.split('+')[0]}`,
      family: 'docker',
      store: join(store, 'data'),
      env: {
        ...env,
        BUILD: `build -q --no-cache --network host`,
        // without a place to go, a build costs what its steps cost
        NOWHERE: buildx ? '--output type=cacheonly' : '',
      },
      async empty() {
        await ask(EMPTY);
      },
      [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
    };
  } catch (error) {
    await service[Symbol.asyncDispose]();
    throw error;
  }
}
