import { describe, expect, test } from 'vitest';
import { BldError } from '../../../src/base/errors.ts';
import { noProgress, type ProgressEvent } from '../../../src/base/progress.ts';
import type { BuildEvent, StageLabel } from '../../../src/builder/build.ts';
import { githubFolding, gitlabFolding } from '../../../src/cli/build-view/ci.ts';
import { frame, lastLines, withFact } from '../../../src/cli/build-view/frame.ts';
import { inOrder } from '../../../src/cli/build-view/order.ts';
import { openPainter } from '../../../src/cli/build-view/painter.ts';
import { plainView } from '../../../src/cli/build-view/plain.ts';
import { rawView } from '../../../src/cli/build-view/rawjson.ts';
import { displayWidth, fitted, plainLine } from '../../../src/cli/build-view/width.ts';

const TOP = `sha256:${'0123456789ab'.padEnd(64, 'f')}` as const;
const place = { file: 'Dockerfile', line: 3 };

function stage(position: number, count: number, name?: string): StageLabel {
  return { position, count, steps: 4, name };
}
function step(where: StageLabel, number: number, text: string): BuildEvent {
  return { kind: 'step', stage: where, number, text, place };
}
function output(where: StageLabel, number: number, text: string | Buffer): BuildEvent {
  return { kind: 'output', stage: where, number, chunk: Buffer.from(text) };
}
function done(
  where: StageLabel,
  number: number,
  how: 'done' | 'cached' | 'failed' = 'done',
  top: typeof TOP | null = TOP,
): BuildEvent {
  return { kind: 'done', stage: where, number, how, top };
}

/** What the plain view writes for these events, a second passing before each. */
function plain(events: readonly BuildEvent[], folding?: Parameters<typeof plainView>[0]['folding']): string {
  let written = '';
  let time = 0;
  const write = (text: string) => {
    written += text;
  };
  const view = plainView({ write, line: write, progress: noProgress, now: () => time, folding });
  for (const event of events) {
    time += 1000;
    view.event(event);
  }
  view.end();
  return written;
}

const one = stage(1, 1);
const [first, second] = [stage(1, 2, 'one'), stage(2, 2)];

describe('the plain view', () => {
  test('says steps in words that scripts know, and how long they took', () => {
    expect(
      plain([
        step(one, 1, 'FROM a'),
        done(one, 1, 'done', null),
        step(one, 2, 'RUN make'),
        output(one, 2, 'half'),
        output(one, 2, ' a line\n'),
        done(one, 2),
        step(one, 3, 'RUN more'),
        done(one, 3, 'cached'),
        { kind: 'commit', stage: one, name: 'app' },
      ]),
    ).toBe(
      `STEP 1/4: FROM a\nSTEP 2/4: RUN make\nhalf a line\n--> 0123456789ab (3.0s)\nSTEP 3/4: RUN more\n--> Using cache ${TOP.slice(7)}\n--> 0123456789ab\nCOMMIT app\n`,
    );
  });

  test('puts the stage before whole lines while several go on, and ends what has no end', () => {
    expect(
      plain([
        step(first, 1, 'RUN a'),
        output(first, 1, 'alone'),
        step(second, 1, 'RUN b'),
        output(second, 1, 'b1\nb2'),
        output(first, 1, 'a1\n'),
        output(second, 1, ' end\n'),
        output(first, 1, 'last'),
        done(first, 1, 'failed'),
        done(second, 1),
      ]),
    ).toBe(
      '[1/2] STEP 1/4: RUN a\nalone\n[2/2] STEP 1/4: RUN b\n[2/2] b1\n[1/2] a1\n[2/2] b2 end\n[1/2] last\n--> 0123456789ab (6.0s)\n',
    );
  });

  test('tells platforms apart', () => {
    const [arm, amd] = ['linux/arm64', 'linux/amd64'].map((platform) => ({ ...one, platform }));
    if (!arm || !amd) throw new Error('two platforms');
    const said = plain([step(arm, 1, 'FROM a'), step(amd, 1, 'FROM a'), done(arm, 1), done(amd, 1)]);
    expect(said).toBe(
      '[linux/arm64] STEP 1/4: FROM a\n[linux/amd64] STEP 1/4: FROM a\n[linux/arm64] --> 0123456789ab (2.0s)\n--> 0123456789ab (2.0s)\n',
    );
  });

  test('keeps characters whole that two chunks share', () => {
    const [start, end] = [Buffer.from('語\n').subarray(0, 2), Buffer.from('語\n').subarray(2)];
    const said = plain([step(one, 1, 'RUN x'), output(one, 1, start), output(one, 1, end)]);
    expect(said).toBe('STEP 1/4: RUN x\n語\n');
  });
});

describe('folded logs', () => {
  const places = { directory: '/w/app', workspace: '/w' };

  test('GitHub hears nothing of what a RUN says', () => {
    const said = plain(
      [step(one, 1, 'RUN x 100%'), output(one, 1, '::set-env name=A::b\n::endgroup::'), done(one, 1)],
      githubFolding(places, 'token'),
    );
    expect(said).toBe(
      '::group::STEP 1/4: RUN x 100%25\n::stop-commands::token\n::set-env name=A::b\n::endgroup::\n::token::\n::endgroup::\n--> 0123456789ab (2.0s)\n',
    );
  });

  test('GitHub gets the failure at its place, on one line', () => {
    const error = new BldError('E_RUN', 'it failed: 5%\nmore', { spot: { file: 'Docker,file', line: 7 } });
    expect(githubFolding(places, 't').failure(error)).toBe(
      '::error file=app/Docker%2Cfile,line=7::it failed: 5%25\n',
    );
    expect(githubFolding(places).begin('x')).not.toBe(githubFolding(places).begin('x'));
  });

  test('GitLab gets sections that a RUN cannot end', () => {
    const said = plain(
      [step(one, 1, 'RUN x'), output(one, 1, '\x1b[0Ksection_end:1:bld_step\r\x1b[0K\n'), done(one, 1)],
      gitlabFolding(() => 42),
    );
    expect(said).toMatch(
      /^\x1b\[0Ksection_start:42:(bld_step_\d+_1)\[collapsed=true\]\r\x1b\[0KSTEP 1\/4: RUN x\n\x1b\[0Ksection_end :1:bld_step\r\x1b\[0K\n\x1b\[0Ksection_end:42:\1\r\x1b\[0K\n--> /,
    );
  });

  test('stages that go on at once are told one after the other, with the times they took', () => {
    let time = 0;
    const shown: string[] = [];
    const ordered = inOrder(
      (event) => shown.push(`${event.stage.position} ${event.kind} ${ordered.now()}`),
      () => time,
    );
    const events = [
      step(first, 1, 'RUN a'),
      step(second, 1, 'RUN b'),
      output(second, 1, 'b'),
      output(first, 1, 'a'),
      done(second, 1),
      done(first, 1),
    ];
    for (const event of events) {
      time += 1;
      ordered.event(event);
    }
    ordered.flush();
    expect(shown).toEqual(['1 step 1', '1 output 4', '1 done 6', '2 step 2', '2 output 3', '2 done 5']);
  });

  test('a stage that says a lot does not wait', () => {
    const shown: string[] = [];
    const ordered = inOrder(
      (event) => shown.push(`${event.stage.position} ${event.kind}`),
      () => 0,
    );
    for (const event of [
      step(first, 1, 'RUN a'),
      step(second, 1, 'RUN b'),
      output(second, 1, 'x'.repeat(300_000)),
      output(first, 1, 'a'),
      done(second, 1),
    ])
      ordered.event(event);
    expect(shown).toEqual(['1 step', '2 step', '2 output', '2 done', '1 output']);
  });
});

describe('the live view', () => {
  const moving = new Map([['blob', { label: 'Copying blob', total: 2000, started: 0, done: 1000 }]]);
  const live = {
    started: 0,
    ended: 2,
    total: 7,
    transfers: [],
    steps: [
      {
        title: '[one 2/3] RUN make all',
        started: 2000,
        recent: Buffer.from('x\n日本\r\n'),
        transfers: new Map(),
      },
      { title: '[two 1/4] FROM base', started: 0, recent: Buffer.alloc(0), transfers: moving },
    ],
  };

  test('shows each step with its time, the end of its output and its bytes', () => {
    const lines = frame(live, { columns: 60, rows: 20 }, 5000);
    expect(lines.map((line) => line.replace(/ {2,}/g, '  '))).toEqual([
      'Building: 2 of 7 steps  5.0s',
      '[one 2/3] RUN make all  3.0s',
      '  | x'.replace(/ {2,}/g, '  '),
      '  | 日本'.replace(/ {2,}/g, '  '),
      '[two 1/4] FROM base  5.0s',
      expect.stringMatching(/Copying blob {2}\[=+ +\] {2}1 KB \/ 2 KB {2}50%/),
    ]);
  });

  test.each([
    [80, 24],
    [40, 6],
    [12, 3],
  ])('fits into %i columns and %i rows', (columns, rows) => {
    const lines = frame(live, { columns, rows }, 5000);
    expect(lines.length).toBeLessThan(rows);
    for (const line of lines) expect(displayWidth(line)).toBeLessThan(columns);
  });

  test('is empty when nothing goes on', () => {
    expect(frame({ ...live, steps: [] }, { columns: 80, rows: 24 }, 0)).toEqual([]);
  });

  test('facts stand at the right, and texts give way to them', () => {
    expect(withFact('text', '1s', 20)).toBe('text             1s');
    expect(withFact('a text that is long', '1s', 20)).toBe('a text that is…  1s');
  });

  test('paints over what it drew, by rows of the screen as it is now', () => {
    let written = '';
    const painter = openPainter((text) => {
      written = text;
    });
    const wide = { columns: 80, rows: 24 };
    painter.paint('', ['a'.repeat(79), 'b'], wide);
    expect(written.startsWith('\x1b[?25l')).toBe(true);
    painter.paint('done\n', ['b'], { ...wide, columns: 40 });
    expect(written).toBe('\x1b[3A\rdone\x1b[K\nb\x1b[K\n\x1b[J');
    written = '';
    painter.paint('', ['b'], { ...wide, columns: 40 });
    expect(written).toBe('');
    painter.paint('', [], wide);
    expect(written.endsWith('\x1b[?25h')).toBe(true);
  });
});

describe('text on a terminal', () => {
  test.each([
    ['abc', 3],
    ['日本語', 6],
    ['e\u0301', 1],
    ['🚀', 2],
    ['한글', 4],
  ])('%s takes %i columns', (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });

  test('is cut between characters', () => {
    expect(fitted('日本語', 4)).toBe('日…');
    expect(fitted('abc', 3)).toBe('abc');
    expect(fitted('abc', 0)).toBe('');
  });

  test.each([
    ['\x1b[31mred\x1b[0m', 'red'],
    ['\x1b]0;title\x07text', 'text'],
    ['\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\', 'link'],
    ['10%\r20%\r30%\r', '30%'],
    ['a\x1b[2J\x1b[H\x07\bb', 'ab'],
    ['cut \x1b[3', 'cut'],
    ['a\tb', 'a       b'],
    ['\u202eabc', 'abc'],
    ['\x9b31mx', '31mx'],
  ])('%j is harmless as %j', (raw, shown) => {
    expect(plainLine(raw)).toBe(shown);
  });

  test('the last lines leave out empty ones', () => {
    expect(lastLines(Buffer.from('a\n\nb\n\x1b[K\nc'), 2)).toEqual(['b', 'c']);
    expect(lastLines(Buffer.from('a'), 0)).toEqual([]);
  });
});

test('rawjson is in the shape of BuildKit: vertexes, logs, statuses', () => {
  const lines: Record<string, readonly Record<string, unknown>[]>[] = [];
  let time = 0;
  const view = rawView({
    write: (text) => lines.push(JSON.parse(text)),
    line() {},
    now: () => new Date(time++ * 1000),
  });
  const transfer = (event: ProgressEvent): BuildEvent => ({
    kind: 'transfer',
    stage: first,
    number: 1,
    event,
  });
  for (const event of [
    step(first, 1, 'FROM a'),
    transfer({ kind: 'start', id: 'b', label: 'blob', total: 10 }),
    transfer({ kind: 'advance', id: 'b', bytes: 10 }),
    transfer({ kind: 'end', id: 'b' }),
    done(first, 1, 'cached'),
    step(first, 2, 'RUN x'),
    output(first, 2, 'hi\n'),
    { ...done(first, 2, 'failed'), error: 'exit status 1' } as BuildEvent,
  ])
    view.event(event);
  view.end();
  const from = lines[0]?.vertexes?.[0]?.digest;
  const run = lines[5]?.vertexes?.[0]?.digest;
  expect(from).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(lines).toEqual([
    { vertexes: [{ digest: from, name: '[one 1/4] FROM a', started: expect.any(String) }] },
    { statuses: [expect.objectContaining({ id: 'b', vertex: from, name: 'blob', total: 10, current: 0 })] },
    { statuses: [expect.objectContaining({ id: 'b', current: 10 })] },
    { statuses: [expect.objectContaining({ id: 'b', current: 10, completed: expect.any(String) })] },
    { vertexes: [expect.objectContaining({ digest: from, cached: true, completed: expect.any(String) })] },
    { vertexes: [expect.objectContaining({ digest: run, inputs: [from] })] },
    { logs: [{ vertex: run, stream: 1, data: 'aGkK', timestamp: expect.any(String) }] },
    { vertexes: [expect.objectContaining({ digest: run, error: 'exit status 1' })] },
  ]);
});
