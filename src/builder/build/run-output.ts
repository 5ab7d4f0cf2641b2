import { randomBytes } from 'node:crypto';
import { closeSync, constants, openSync, unlinkSync } from 'node:fs';
import { Socket } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { explain } from '../../base/errors.ts';
import { type Fd, sys } from '../../native/sys.ts';
import type { Store } from '../../store/types.ts';

/**
 * A pipe for a command's outputs: `fd` is the end to write to. Dispose it after the command: all has been read then; it
 * throws what the listener threw.
 */
export interface OutputPipe extends AsyncDisposable {
  readonly fd: Fd;
}

export function openOutput(store: Store, onChunk: (chunk: Buffer) => void): OutputPipe {
  const path = join(store.scratch(), `output-${randomBytes(8).toString('hex')}`);
  const directory = sys().openRoot(dirname(path));
  try {
    sys().mknod(directory, Buffer.from(basename(path)), 'fifo', 0o600, 0, 0);
  } finally {
    sys().close(directory);
  }
  const reading = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const fd = openSync(path, constants.O_WRONLY);
  unlinkSync(path);
  const socket = new Socket({ fd: reading, readable: true, writable: false });
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  let failure: { readonly error: unknown } | undefined;
  socket.on('data', (chunk: Buffer) => {
    if (failure) return;
    try {
      onChunk(chunk);
    } catch (error) {
      failure = { error: explain(error, "telling a command's output") };
    }
  });
  socket.on('error', () => socket.destroy());
  return {
    fd,
    async [Symbol.asyncDispose]() {
      closeSync(fd);
      await ended;
      if (failure) throw failure.error;
    },
  };
}
