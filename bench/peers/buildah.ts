import type { Lab } from '../lab.ts';
import { runShell } from '../shell.ts';
import type { Peer, Person } from '../types.ts';
import { storeTool } from './store-tool.ts';

/** The best first: as it comes, then with the runtime that knows old control groups, then with none. */
const RUN_FLAGS = ['--network host', '--network host --runtime runc', '--network host --isolation chroot'];

export interface BuildahPlace {
  /** `chroot DIR`, or nothing. */
  readonly prefix: string;
  readonly person?: Person;
  readonly tiny: string;
  readonly tell: (line: string) => void;
}

/** The line of a failure that names its cause. */
function cause(error: unknown): string {
  const lines = String(error).split('\n');
  return lines.find((line) => line.startsWith('error')) ?? lines.at(-1) ?? '';
}

/** Buildah with the first flags that `run` works with here; undefined, with the reason told, when none does. */
export async function buildahPeer(lab: Lab, place: BuildahPlace): Promise<Peer | undefined> {
  const { prefix, person, tiny, tell } = place;
  const command = `${prefix} buildah --storage-driver overlay`.trim();
  const { stdout } = await runShell(lab, `${prefix} buildah --version`);
  const name = `buildah ${/version (\S+)/.exec(stdout)?.[1] ?? 'unknown'}`;
  let reason = '';
  for (const run of RUN_FLAGS) {
    const peer = storeTool(lab, { name, family: 'buildah', command, person, run });
    await peer.empty();
    try {
      await runShell(
        lab,
        `container=$($TOOL from --tls-verify=false ${tiny}); $TOOL run $RUN $container -- true`,
        { env: peer.env, person },
      );
      if (run !== RUN_FLAGS[0]) tell(`${name}: runs with ${run}, because: ${reason}`);
      return peer;
    } catch (error) {
      lab.signal.throwIfAborted();
      reason ||= cause(error);
    } finally {
      await peer.empty();
    }
  }
  tell(`${name}${person ? ` as ${person.name}` : ''} is left out: ${reason}`);
  return undefined;
}
