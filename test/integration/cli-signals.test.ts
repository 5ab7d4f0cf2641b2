import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { Bench } from '../helpers/bld.ts';

/** A registry that takes requests and never answers. */
async function silentRegistry() {
  const server = createServer(() => {}).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    asked: () => once(server, 'request'),
    [Symbol.dispose]: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

describe('signals', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s ends a pull with %i', async (signal, code) => {
    using registry = await silentRegistry();
    using bench = new Bench('root');
    const asked = registry.asked();
    const child = bench.start(['pull', '--tls-verify=false', '--quiet', `${registry.host}/app:1`]);
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    await asked;
    child.kill(signal);
    const [exit] = await once(child, 'exit');
    expect(exit).toBe(code);
    expect(stderr).toBe(`Error: interrupted by ${signal}\n`);
    expect(bench.run('images', '--quiet')).toBe('');
  });
});
