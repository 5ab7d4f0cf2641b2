import { printable } from '../../base/log.ts';
import type { ProgressEvent } from '../../base/progress.ts';
import type { BuildEvent, StageLabel } from '../../builder/build.ts';
import { account, type Item, shortLabel } from '../progress.ts';
import { shortSpan } from '../units.ts';
import { frame, type LiveStep, type Size, withFact } from './frame.ts';
import { openPainter } from './painter.ts';
import { commitLine } from './plain.ts';
import { type BuildView, type Clock, logWarning, stageKey } from './view.ts';

export interface LiveOptions {
  readonly write: (text: string) => void;
  readonly size: () => Size;
  readonly now: Clock;
  readonly colour: boolean;
}

/** Milliseconds between two drawings. */
const INTERVAL = 100;
/** Of a step's output, enough for the lines that are shown. */
const RECENT = 4096;
const COLOURS = { cached: 36, failed: 31, cancelled: 33 } as const;

/** `[linux/arm64 build 2/7] RUN make`, without what there is only one of. */
function titleOf({ stage, number, text }: Extract<BuildEvent, { kind: 'step' }>): string {
  const { name, platform, position, count, steps } = stage;
  const numbered = count > 1 ? `${position}/${count}` : undefined;
  const words = [platform, name ?? numbered, `${number}/${steps}`].filter((word) => word !== undefined);
  return printable(`[${words.join(' ')}] ${text}`).replaceAll('\n', ' ');
}

/** On a terminal: what goes on stays at the bottom, ten times a second; what has ended scrolls away above it. */
export function liveView({ write, size, now, colour }: LiveOptions): BuildView {
  const started = now();
  const running = new Map<string, LiveStep>();
  const totals = new Map<string, number>();
  const outside = new Map<string, Item>();
  const painter = openPainter(write);
  let above = '';
  let ended = 0;

  const coloured = (text: string, how: keyof typeof COLOURS) =>
    colour ? `\x1b[${COLOURS[how]}m${text}\x1b[0m` : text;
  const draw = () => {
    const total = [...totals.values()].reduce((sum, steps) => sum + steps, 0);
    const live = { started, ended, total, steps: [...running.values()], transfers: [...outside.values()] };
    const text = above;
    above = '';
    painter.paint(text, frame(live, size(), now()), size());
  };
  const finish = (key: string, how: 'done' | keyof typeof COLOURS) => {
    const step = running.get(key);
    if (!step) return;
    running.delete(key);
    ended += 1;
    const word = { done: '', cached: 'CACHED', failed: 'ERROR ', cancelled: 'INTERRUPTED ' }[how];
    const fact = how === 'cached' ? word : `${word}${shortSpan(now() - step.started)}`;
    const line = withFact(step.title, fact, size().columns);
    above += `${how === 'done' ? line : coloured(line, how)}\n`;
  };
  const know = (stage: StageLabel) => totals.set(stageKey(stage), stage.steps);
  const move = (items: Map<string, Item>, event: ProgressEvent) =>
    account(now, items, () => {})(
      event.kind === 'start' ? { ...event, label: shortLabel(event.label) } : event,
    );

  const timer = setInterval(draw, INTERVAL).unref();
  const end = () => {
    clearInterval(timer);
    process.off('exit', end);
    for (const key of [...running.keys()]) finish(key, 'cancelled');
    outside.clear();
    draw();
  };
  // a second signal ends the process at once
  process.on('exit', end);

  return {
    event(event) {
      const key = stageKey(event.stage);
      const step = running.get(key);
      switch (event.kind) {
        case 'step':
          know(event.stage);
          running.set(key, {
            title: titleOf(event),
            started: now(),
            recent: Buffer.alloc(0),
            transfers: new Map(),
          });
          return;
        case 'output':
          if (step)
            step.recent = Buffer.concat([step.recent, event.chunk.subarray(-RECENT)]).subarray(-RECENT);
          return;
        case 'transfer':
          if (step) move(step.transfers, event.event);
          return;
        case 'done':
          return finish(key, event.how);
        case 'commit':
          above += `${commitLine({ ...event.stage, count: 1 }, event.name)}\n`;
      }
    },
    progress: (event) => move(outside, event),
    say(text) {
      above += text;
    },
    line(text) {
      above += text;
    },
    warning: logWarning,
    end,
  };
}
