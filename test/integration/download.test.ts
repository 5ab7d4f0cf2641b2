import { expect, test } from 'vitest';
import { digestOf } from '../../src/base/digest.ts';
import { Bench } from '../helpers/bld.ts';
import { serve } from '../helpers/serve.ts';

/** bld runs beside the server: a blocking call would starve it. */
function start(
  bench: Bench,
  args: readonly string[],
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = bench.start(args);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
}

test('add takes a URL: name, mode, date and checksum; passing faults are repeated', async () => {
  using bench = new Bench('root');
  let tries = 0;
  const url = await serve((request, response) => {
    if (request.url === '/moved') return response.writeHead(302, { location: '/dir/file.txt?x=1' }).end();
    if (++tries === 1) return response.writeHead(503).end();
    return response.writeHead(200, { 'last-modified': 'Thu, 01 Jan 2015 00:00:00 GMT' }).end('content');
  });
  const container = bench.run('from', 'scratch');
  const sum = digestOf('content');
  expect(
    await start(bench, ['add', '--checksum', sum, container, `${url}/dir/file.txt`, '/in/']),
  ).toMatchObject({ code: 0 });
  expect(await start(bench, ['copy', container, `${url}/moved`, '/as'])).toMatchObject({ code: 0 });
  const where = bench.run('mount', container);
  const listing = bench.exec('stat', ['-c', '%n %a %s %Y', `${where}/in/file.txt`, `${where}/as`]).stdout;
  bench.run('umount', container);
  expect(listing.replaceAll(where, '')).toBe('/in/file.txt 600 7 1420070400\n/as 600 7 1420070400\n');

  const wrong = await start(bench, [
    '--log-format',
    'json',
    'add',
    '--checksum',
    digestOf('x'),
    container,
    `${url}/f`,
    '/x',
  ]);
  expect(wrong.code).toBe(125);
  expect(JSON.parse(wrong.stderr.trim().split('\n').at(-1) ?? '')).toMatchObject({ code: 'E_INTEGRITY' });
});

test('a file: redirect and a missing file are refused', async () => {
  using bench = new Bench('root');
  const url = await serve((request, response) => {
    if (request.url === '/local') return response.writeHead(302, { location: 'file:///etc/shadow' }).end();
    return response.writeHead(404).end('no');
  });
  const container = bench.run('from', 'scratch');
  const local = await start(bench, ['add', container, `${url}/local`, '/x']);
  expect(local.code).toBe(125);
  expect(local.stderr).toMatch(/redirects to .*not allowed/);
  const missing = await start(bench, ['add', container, `${url}/missing`, '/x']);
  expect(missing.code).toBe(125);
  expect(missing.stderr).toMatch(/404/);
});
