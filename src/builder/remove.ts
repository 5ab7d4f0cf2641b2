import { type Container, exclusively, read } from './container.ts';
import { unmount } from './rootfs.ts';

/** Takes the container, its files and its mount away, with those of its own layers that nothing else needs. */
export async function remove(container: Container): Promise<void> {
  const { store } = container.engine;
  await exclusively(container, async () => {
    const { record, state } = read(container);
    unmount(container);
    store.containers.remove(container.id);
    if (record.layers.length > state.base.layers) store.collectLater();
  });
}
