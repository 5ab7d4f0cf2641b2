import { resolve } from 'node:path';
import type { Lab } from '../lab.ts';
import type { Peer, Person } from '../types.ts';
import { storeTool } from './store-tool.ts';

const PROGRAM = resolve(import.meta.dirname, '../../bin/bld');

/** The built program of this tree. */
export function bldPeer(lab: Lab, person?: Person): Peer {
  return storeTool(lab, { name: 'bld', family: 'bld', command: PROGRAM, person, run: '--network host' });
}
