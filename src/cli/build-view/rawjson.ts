import { createHash } from 'node:crypto';
import type { Progress, ProgressEvent } from '../../base/progress.ts';
import type { BuildEvent } from '../../builder/build.ts';
import { type BuildView, stageKey } from './view.ts';

interface Vertex {
  readonly digest: string;
  readonly inputs?: readonly string[];
  readonly name: string;
  readonly started?: string;
  readonly completed?: string;
  readonly cached?: boolean;
  readonly error?: string;
}

interface Status {
  readonly id: string;
  readonly vertex: string;
  readonly name: string;
  readonly total?: number;
  readonly started: string;
  current: number;
}

export interface RawOptions {
  readonly write: (text: string) => void;
  readonly line: (text: string) => void;
  readonly now: () => Date;
}

/** Milliseconds between two reports of one transfer. */
const INTERVAL = 100;

function digestOf(...words: readonly unknown[]): string {
  return `sha256:${createHash('sha256').update(JSON.stringify(words)).digest('hex')}`;
}

/**
 * One JSON object a line, in the shape of BuildKit's `--progress=rawjson`: `vertexes` (steps, as they begin and end),
 * `statuses` (bytes moved for one), `logs` (what it wrote: base64), `warnings` (of the Dockerfile).
 */
export function rawView({ write, line, now }: RawOptions): BuildView {
  const open = new Map<string, Vertex>();
  const last = new Map<string, string>();
  const put = (value: unknown) => write(`${JSON.stringify(value)}\n`);
  const vertex = (value: Vertex) => put({ vertexes: [value] });
  const moves = transfers(now, (status) => put({ statuses: [status] }));

  const begin = (key: string, value: Omit<Vertex, 'started'>) => {
    const started = { ...value, started: now().toISOString() };
    open.set(key, started);
    vertex(started);
  };
  const complete = (key: string, how: { readonly cached?: boolean; readonly error?: string }) => {
    const begun = open.get(key);
    if (!begun) return;
    open.delete(key);
    last.set(key, begun.digest);
    vertex({ ...begun, completed: now().toISOString(), ...how });
  };
  const event = (one: BuildEvent) => {
    const key = stageKey(one.stage);
    const digest = open.get(key)?.digest ?? '';
    switch (one.kind) {
      case 'step': {
        const { number, text } = one;
        const before = last.get(key);
        begin(key, {
          digest: digestOf(key, number, text),
          ...(before !== undefined && { inputs: [before] }),
          name: nameOf(one),
        });
        return;
      }
      case 'output': {
        const data = one.chunk.toString('base64');
        return put({ logs: [{ vertex: digest, stream: 1, data, timestamp: now().toISOString() }] });
      }
      case 'transfer':
        return moves(digest, one.event);
      case 'done': {
        const { how, error } = one;
        const failed = how === 'failed' || how === 'cancelled';
        return complete(key, {
          ...(how === 'cached' && { cached: true }),
          ...(failed && { error: error ?? how }),
        });
      }
      case 'commit': {
        const name = `exporting to image${one.name === undefined ? '' : ` ${one.name}`}`;
        return begin('commit', { digest: digestOf('commit'), inputs: [...last.values()], name });
      }
    }
  };
  const progress: Progress = (one) => moves(open.get('commit')?.digest ?? digestOf('commit'), one);
  return {
    event,
    progress,
    say() {},
    line,
    warning(rule, message, { file, line }) {
      const short = Buffer.from(`${rule}: ${message} (line ${line})`).toString('base64');
      const range = [{ start: { line }, end: { line } }];
      put({
        warnings: [{ vertex: digestOf('check'), level: 1, short, sourceInfo: { filename: file }, range }],
      });
    },
    end: (error) => complete('commit', error instanceof Error ? { error: error.message } : {}),
  };
}

/** As BuildKit names steps: `[linux/arm64 build 2/7] RUN make`. */
function nameOf({ stage, number, text }: Extract<BuildEvent, { kind: 'step' }>): string {
  const platform = stage.platform === undefined ? '' : `${stage.platform} `;
  return `[${platform}${stage.name ?? `stage-${stage.position - 1}`} ${number}/${stage.steps}] ${text}`;
}

function transfers(now: () => Date, put: (status: object) => void) {
  const all = new Map<string, Status & { told: number }>();
  return (vertex: string, event: ProgressEvent): void => {
    if (event.kind === 'message') return;
    const time = now();
    const timestamp = time.toISOString();
    if (event.kind === 'start') {
      const { id, label, total } = event;
      const started = { id, vertex, name: label, ...(total !== undefined && { total }), started: timestamp };
      all.set(id, { ...started, current: 0, told: time.getTime() });
      put({ ...started, current: 0, timestamp });
      return;
    }
    const item = all.get(event.id);
    if (!item) return;
    const { told: _, ...status } = item;
    if (event.kind === 'end') {
      all.delete(event.id);
      put({ ...status, timestamp, completed: timestamp });
      return;
    }
    item.current += event.bytes;
    if (time.getTime() - item.told < INTERVAL) return;
    item.told = time.getTime();
    put({ ...status, current: item.current, timestamp });
  };
}
