import { type AddressInfo, createServer } from 'node:net';
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { makeAgent } from '../../../src/registry/agents.ts';
import { send } from '../../../src/registry/http.ts';

const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

test('an answer that comes before the source of the body ends leaves no timer behind', async () => {
  const server = createServer((socket) => {
    socket.on('data', (bytes) => {
      if (bytes.includes('whole body')) socket.end('HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n');
    });
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const agent = makeAgent('http:', { verify: true, connectTimeoutMs: 5000, lookup: () => {} });
  const gate = Promise.withResolvers<void>();
  async function* source() {
    yield Buffer.from('whole body');
    await gate.promise;
  }
  const body = { open: () => Readable.from(source()), length: 10 };
  const url = new URL(`http://127.0.0.1:${port}/`);
  const before = timers();
  try {
    const answer = await send({ method: 'PUT', url, headers: {}, body }, agent, {
      idleTimeoutMs: 60_000,
      answerTimeoutMs: 60_000,
    });
    await answer.discard();
    gate.resolve();
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(answer.status).toBe(201);
  } finally {
    agent.destroy();
    server.close();
  }
  expect(timers()).toBeLessThanOrEqual(before); // others may end meanwhile
});
