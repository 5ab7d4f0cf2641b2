import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makePlace, type Place, ttyCommand, ways } from './runtime-harness.ts';

const found = await ways();
const script = (() => {
  try {
    return execFileSync('sh', ['-c', 'command -v script']).toString().trim();
  } catch {
    return undefined;
  }
})();
const possible = found.length > 0 && script !== undefined;
test.skipIf(possible)('needs root and script(1)', ({ skip }) => skip('a terminal comes from script(1)'));

describe.runIf(possible).each(found)('a terminal, as %s', (as) => {
  let place: Place;
  beforeAll(async () => {
    place = await makePlace(as);
  });
  afterAll(() => place.dispose());

  /** What a person at a terminal of 33 × 99 would see; `typed` is typed after the word `ready`. */
  async function see(command: string, typed = ''): Promise<string> {
    const line = ttyCommand(place, {
      argv: ['sh', '-c', command],
      spec: { tty: true, stdio: ['inherit', 'inherit', 'inherit'] },
    });
    const child = spawn(
      script ?? '',
      ['-qec', `stty rows 33 cols 99; ${line}; stty -a | grep -o ' echo '`, '/dev/null'],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
      if (typed && text.includes('ready')) {
        child.stdin.write(typed);
        typed = '';
      }
    });
    await once(child, 'close');
    return text;
  }

  test('it is one, of the same size, and ours is as before', async () => {
    const text = await see(
      'test -t 0 && test -t 1 && tty; stty size; ls -l /dev/console | cut -c1; cat < /dev/tty & kill $!; echo ok',
    );
    expect(text).toMatch(/^\/dev\/pts\/0\r\n33 99\r\nc\r\nok\r\n/m);
    expect(text).toContain(' echo ');
  });

  test('typing reaches the command, and ^C is its interrupt', async () => {
    expect(await see('echo ready; read x; echo "got $x"', 'hello\r')).toContain('got hello');
    expect(await see("trap 'echo stopped; exit' INT; echo ready; sleep 100 & wait", '\u0003')).toContain(
      'stopped',
    );
  });

  test('an end of the input is one for the command', async () => {
    expect(await see('echo ready; cat; echo end', '\u0004')).toContain('end');
  });
});
