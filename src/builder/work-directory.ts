import { ownerWriter } from '../layers/owner.ts';
import { ownerFileOf } from '../layers/owner-file.ts';
import { type Fd, sys } from '../native/sys.ts';
import type { Container } from './container.ts';
import { ensureDirectory, kindAt } from './destination.ts';
import type { Ownership } from './ownership.ts';

/** Makes the directory with its missing parents for the owner, who is looked up then alone; one that is there stays as it is. */
export function makeWorkDirectory(
  { engine, id }: Container,
  rootfs: Fd,
  { path, owner }: { readonly path: string; readonly owner: () => Ownership },
): void {
  // the user matters for a new directory alone: no image has to know all that it names
  if (kindAt(rootfs, path) === 'dir') return;
  const { kind, containers } = engine.store;
  const owners = ownerWriter(kind.owners, ownerFileOf(containers.directories(id).upper));
  const { uid, gid } = owner();
  sys().close(ensureDirectory(rootfs, path, { owner: { uid, gid }, owners }));
  owners.flush();
}
