import { join } from 'node:path';
import type { Lab } from '../lab.ts';
import type { Family, Peer, Person } from '../types.ts';

export interface StoreTool {
  readonly name: string;
  readonly family: Family;
  /** Program and flags, as words of a script. */
  readonly command: string;
  readonly person?: Person | undefined;
  /** Flags of `run`. */
  readonly run: string;
}

/** bld or Buildah on a store in the lab. They share their commands and `--root`. */
export function storeTool(lab: Lab, tool: StoreTool): Peer {
  const { name, family, command, person } = tool;
  const folder = `${name.replace(' ', '-')}${person ? `-${person.name}` : ''}`;
  const store = lab.directory(folder, person);
  const places = `--root ${join(store, 'root')} --runroot ${join(store, 'run')}`;
  return {
    name,
    family,
    store,
    ...(person && { person }),
    env: {
      TOOL: `${command} ${places}`,
      PULL: 'pull -q --tls-verify=false',
      RUN: tool.run,
      BUD: `build --layers --tls-verify=false ${tool.run}`,
    },
    async empty() {
      lab.retire(folder);
      lab.directory(folder, person);
    },
  };
}
