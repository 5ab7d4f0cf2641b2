import { type Container, exclusively } from './container.ts';
import { unmount } from './rootfs.ts';

/** Takes the container, its files and its mount away. */
export async function remove(container: Container): Promise<void> {
  await exclusively(container, async () => {
    unmount(container);
    container.engine.store.containers.remove(container.id);
  });
}
