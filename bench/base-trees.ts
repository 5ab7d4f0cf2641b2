import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { noise, prose } from './noise.ts';

const BUSYBOX = '/bin/busybox';
const FILES = 9000;
const TOTAL = 172_000_000;

/** A root file system of the machine's busybox, which has to be static. */
export function busyboxTree(tree: string): void {
  if (!existsSync(BUSYBOX)) throw new Error('busybox is not installed: apt-get install busybox-static');
  for (const name of ['bin', 'etc', 'root', 'tmp', 'usr/bin', 'var', 'proc', 'sys', 'dev']) {
    mkdirSync(join(tree, name), { recursive: true });
  }
  chmodSync(join(tree, 'tmp'), 0o1777);
  copyFileSync(BUSYBOX, join(tree, 'bin/busybox'));
  const applets = spawnSync(BUSYBOX, ['--list'], { encoding: 'utf8' }).stdout.trim().split('\n');
  for (const applet of applets) {
    if (applet !== 'busybox') symlinkSync('busybox', join(tree, 'bin', applet));
  }
  writeFileSync(join(tree, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  writeFileSync(join(tree, 'etc/group'), 'root:x:0:\n');
}

/** Many small files and few large ones, 172 MB in 9,000 files, the same in each run. */
function syntheticTree(tree: string): void {
  busyboxTree(tree);
  const text = prose('debian');
  const random = noise('debian-sizes')(FILES * 2);
  const weights = Array.from(
    { length: FILES },
    (_, index) => 1 / (random.readUInt16LE(index * 2) / 65_536 + 0.004),
  );
  const sum = weights.reduce((all, weight) => all + weight);
  weights.forEach((weight, index) => {
    const directory = join(tree, 'usr/share', `p${Math.floor(index / 40)}`);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `f${index}`), text(Math.floor((weight / sum) * TOTAL)));
    if (index % 12 === 0) symlinkSync(`f${index}`, join(directory, `l${index}`));
  });
}

/** Where the tree of the large base is: `rootfs` if that is a root file system of root's, else a made one. */
export function debianTree(rootfs: string, spare: string): string {
  if (existsSync(join(rootfs, 'bin')) && lstatSync(rootfs).uid === 0) return rootfs;
  syntheticTree(spare);
  return spare;
}
