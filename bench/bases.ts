import { busyboxTree, debianTree } from './base-trees.ts';
import type { Lab } from './lab.ts';
import { runShell } from './shell.ts';
import type { Peer } from './types.ts';

/** Makes an image of one layer from a tree, by bld, and pushes it. */
async function pushTree(
  lab: Lab,
  bld: Peer,
  { tree, image }: { tree: string; image: string },
): Promise<void> {
  const tar = `${lab.path}/base.tar`;
  await bld.empty();
  await runShell(
    lab,
    `tar -C ${tree} --one-file-system --numeric-owner --sort=name -cf ${tar} .
     container=$($TOOL from scratch)
     $TOOL add $container ${tar} /
     $TOOL config --cmd /bin/sh --env PATH=/usr/sbin:/usr/bin:/sbin:/bin $container
     $TOOL commit --rm $container ${image}
     $TOOL push --tls-verify=false ${image} docker://${image}
     rm ${tar}`,
    { env: bld.env },
  );
  await bld.empty();
}

/** Pushes `<registry>/base/tiny:1`; gives its name. */
export async function pushTiny(lab: Lab, bld: Peer, registry: string): Promise<string> {
  const image = `${registry}/base/tiny:1`;
  const tree = lab.directory('tree');
  busyboxTree(tree);
  await pushTree(lab, bld, { tree, image });
  lab.retire('tree');
  return image;
}

/** Pushes `<registry>/base/debian:1`, of `rootfs` or of a synthetic tree; gives its name. */
export async function pushDebian(
  lab: Lab,
  bld: Peer,
  { registry, rootfs }: { registry: string; rootfs: string },
): Promise<string> {
  const image = `${registry}/base/debian:1`;
  const spare = lab.directory('tree');
  await pushTree(lab, bld, { tree: debianTree(rootfs, spare), image });
  lab.retire('tree');
  return image;
}
