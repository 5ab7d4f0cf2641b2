import { join } from 'node:path';
import { parseArgs } from 'node:util';

export interface Options {
  readonly rounds: number;
  readonly only: RegExp | undefined;
  /** Beginnings of the names of peers; all when absent. */
  readonly peers: readonly string[] | undefined;
  /** Root directories of other systems that share /tmp with this one. */
  readonly chroots: readonly string[];
  readonly json: string;
  readonly markdown: boolean;
  readonly rootfs: string;
  readonly person: string;
  readonly list: boolean;
}

export const USAGE = `Usage: npm run bench -- [flags]

Runs each workload with bld and with every peer that is installed, in turn, and compares the medians. As root, on a
machine that does nothing else; let a minute pass between two runs, for the file system to forget the files of the first.

  --rounds N      how often (default 5)
  --only RE       workloads whose name matches
  --peers A,B     peers whose name starts so, as in buildah,docker-28 (default: all)
  --chroot DIR    look for peers in this root file system too; its /tmp has to be this /tmp (repeatable)
  --rootfs DIR    tree of the large base, made by debootstrap (default /tmp/deb-rootfs; a synthetic one when missing)
  --user NAME     who runs the rootless workloads (default tester)
  --json FILE     where the figures go (default bench/results/DATE.json)
  --markdown      print the table as Markdown
  --list          print the workloads and stop
`;

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--rounds takes a number from 1, not ${text}`);
  return value;
}

/** Undefined when help was asked for. */
export function readOptions(argv: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      rounds: { type: 'string', default: '5' },
      only: { type: 'string' },
      peers: { type: 'string' },
      chroot: { type: 'string', multiple: true, default: [] },
      rootfs: { type: 'string', default: '/tmp/deb-rootfs' },
      user: { type: 'string', default: 'tester' },
      json: { type: 'string' },
      markdown: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const moment = new Date().toISOString().slice(0, 19).replaceAll(':', '');
  return {
    rounds: count(values.rounds),
    only: values.only === undefined ? undefined : new RegExp(values.only),
    peers: values.peers?.split(','),
    chroots: values.chroot,
    json: values.json ?? join(import.meta.dirname, 'results', `${moment}.json`),
    markdown: values.markdown,
    rootfs: values.rootfs,
    person: values.user,
    list: values.list,
  };
}
