import { StringDecoder } from 'node:string_decoder';
import { BldError } from '../../base/errors.ts';
import { printable } from '../../base/log.ts';
import type { Progress } from '../../base/progress.ts';
import type { BuildEvent, StageLabel } from '../../builder/build.ts';
import { shortSpan } from '../units.ts';
import type { Folding } from './ci.ts';
import { type BuildView, type Clock, logWarning, stageKey, stagePrefix } from './view.ts';

export interface PlainOptions {
  /** Takes whole pieces of text with their line ends. */
  readonly write: (text: string) => void;
  /** Takes lines that are no part of the build's own: warnings. */
  readonly line: (text: string) => void;
  readonly progress: Progress;
  readonly now: Clock;
  /** What RUNs say is folded; then stages come one after the other (see `inOrder`). */
  readonly folding?: Folding | undefined;
}

type Of<Kind extends BuildEvent['kind']> = Extract<BuildEvent, { kind: Kind }>;

interface Running {
  readonly started: number;
  readonly decoder: StringDecoder;
  readonly title: string;
  /** The start of a line whose end has not come. */
  partial: string;
}

/** `STEP 2/5: RUN make`, behind its stage where there are several. */
export function stepLine({ stage, number, text }: Of<'step'>): string {
  return `${stagePrefix(stage)}STEP ${number}/${stage.steps}: ${printable(text)}`;
}

/** Lines for a log, in Buildah's words: steps, what they say, how long they took. */
export function plainView({ write, line, progress, now, folding }: PlainOptions): BuildView {
  const running = new Map<string, Running>();
  /** Whose line has no end yet. */
  let open: string | undefined;
  /** Whose output is in the part that is open. */
  let folded: string | undefined;

  const put = (text: string) => {
    write(open === undefined ? text : `\n${text}`);
    open = undefined;
  };
  const fold = (key: string | undefined, title = '') => {
    if (!folding || key === folded) return;
    if (folded !== undefined) put(folding.end());
    if (key !== undefined) put(folding.begin(title));
    folded = key;
  };
  const step = (event: Of<'step'>) => {
    const title = stepLine(event);
    const key = stageKey(event.stage);
    fold(undefined);
    if (folding && /^RUN\b/i.test(event.text)) fold(key, title);
    else put(`${title}\n`);
    running.set(key, { started: now(), decoder: new StringDecoder(), title, partial: '' });
  };
  const whole = (stage: StageLabel, lines: readonly string[]) => {
    const prefix = running.size > 1 && !folding ? stagePrefix(stage) : '';
    put(lines.map((one) => `${prefix}${folding ? folding.harmless(one) : one}\n`).join(''));
  };
  const output = ({ stage, chunk }: Of<'output'>) => {
    const key = stageKey(stage);
    const step = running.get(key);
    if (!step) return;
    const text = step.decoder.write(chunk);
    if (text === '') return;
    fold(key, `${step.title} (continued)`);
    if (!folding && running.size < 2 && step.partial === '' && (open === undefined || open === key)) {
      write(text);
      open = text.endsWith('\n') ? undefined : key;
      return;
    }
    const lines = (step.partial + text).split('\n');
    step.partial = lines.pop() ?? '';
    if (lines.length > 0) whole(stage, lines);
  };
  const done = (event: Of<'done'>) => {
    const { stage, how, top } = event;
    const key = stageKey(stage);
    const step = running.get(key);
    if (step && step.partial !== '') whole(stage, [step.partial]);
    running.delete(key);
    if (folded === key) fold(undefined);
    if (how === 'failed' || how === 'cancelled') {
      if (open === key) put('');
      return;
    }
    const prefix = running.size > 0 ? stagePrefix(stage) : '';
    if (how === 'cached') put(`${prefix}--> Using cache${top ? ` ${top.slice(7)}` : ''}\n`);
    const took = step && how === 'done' ? ` (${shortSpan(now() - step.started)})` : '';
    if (top) put(`${prefix}--> ${top.slice(7, 19)}${took}\n`);
    else if (open === key) put('');
  };

  return {
    event(event) {
      switch (event.kind) {
        case 'step':
          return step(event);
        case 'output':
          return output(event);
        case 'transfer':
          return progress(event.event);
        case 'done':
          return done(event);
        case 'commit':
          put(`${commitLine(event.stage, event.name)}\n`);
      }
    },
    progress,
    say: put,
    line,
    warning(rule, message, spot) {
      const mark = folding?.warning(rule, message, spot) ?? '';
      if (mark === '') logWarning(rule, message, spot);
      else put(mark);
    },
    end(error) {
      fold(undefined);
      if (open !== undefined) put('');
      if (folding && error instanceof BldError) write(folding.failure(error));
    },
  };
}

/** `COMMIT NAME`, behind its stage where there are several. */
export function commitLine(stage: StageLabel, name: string | undefined): string {
  return `${stagePrefix(stage)}COMMIT${name === undefined ? '' : ` ${name}`}`;
}
