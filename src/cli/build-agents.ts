import type { Engine } from '../builder/engine.ts';
import type { SshSource } from './build-inputs.ts';

/** Id → socket; keys get an agent of their own, which ends with the stack. */
export async function openAgents(
  engine: Engine,
  sources: readonly (readonly [id: string, source: SshSource])[],
  stack: DisposableStack,
): Promise<ReadonlyMap<string, string>> {
  const sockets = new Map<string, string>();
  for (const [id, source] of sources) {
    if (source.kind === 'socket') sockets.set(id, source.path);
    else {
      const { startKeyAgent } = await import('../builder/build/key-agent.ts');
      sockets.set(id, stack.use(await startKeyAgent(engine, source.paths)).socket);
    }
  }
  return sockets;
}
