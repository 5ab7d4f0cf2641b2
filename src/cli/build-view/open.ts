import { appendFileSync, writeFileSync } from 'node:fs';
import { configureLog } from '../../base/log.ts';
import { monotonic } from '../../base/monotonic.ts';
import { noProgress } from '../../base/progress.ts';
import { isTerminal } from '../../base/terminal.ts';
import { type Outcome, OutputClosed, writeLog } from '../output.ts';
import { plainDrawing } from '../progress.ts';
import { type Folding, githubFolding, gitlabFolding } from './ci.ts';
import { inOrder } from './order.ts';
import { type PlainOptions, plainView } from './plain.ts';
import { rawView } from './rawjson.ts';
import { type SplitLog, splitView } from './split.ts';
import { liveView } from './tty.ts';
import type { BuildView } from './view.ts';

export interface ViewRequest {
  readonly progress: 'auto' | 'tty' | 'plain' | 'rawjson' | 'quiet';
  /** A file takes all that is said, or several do. */
  readonly logfile?: string | SplitLog | undefined;
  /** Standard output carries something else: an archive. */
  readonly isTaken: boolean;
  /** Where the Dockerfile's name starts. */
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
  /** To standard output. */
  readonly print: (outcome: Outcome) => void;
}

const now = monotonic;

/** The view that was asked for, or that fits where bld runs; warnings go through it until its end. */
export function openBuildView(request: ViewRequest): BuildView {
  const view = chosen(request);
  configureLog({ write: view.line });
  return {
    ...view,
    end(error) {
      view.end(error);
      configureLog({ write: writeLog });
    },
  };
}

function chosen({ progress, logfile, isTaken, directory, env, print }: ViewRequest): BuildView {
  if (progress === 'quiet') return quietView();
  if (progress === 'rawjson') return rawView({ write: writeLog, line: writeLog, now: () => new Date() });
  if (logfile !== undefined)
    return typeof logfile === 'string' ? fileView(logfile) : splitView(logfile, fileView);
  const isLive = isTerminal(2) && env.TERM !== 'dumb' && (progress === 'tty' || (isTerminal(1) && !isTaken));
  if (isLive && progress !== 'plain') {
    const size = () => ({ columns: process.stderr.columns || 80, rows: process.stderr.rows || 24 });
    return liveView({ write: writeLog, size, now, colour: !env.NO_COLOR });
  }
  const write = isTaken ? writeLog : whileRead((text) => print({ kind: 'text', text }));
  const transfers = plainDrawing({ write: writeLog, now });
  const plain = { write, line: writeLog, progress: transfers.progress, now };
  const folding = foldingFor(env, directory);
  return folding ? foldedView({ ...plain, folding }) : plainView(plain);
}

function fileView(path: string): BuildView {
  writeFileSync(path, '');
  const write = (text: string) => appendFileSync(path, text);
  const transfers = plainDrawing({ write, now });
  return plainView({ write, line: writeLog, progress: transfers.progress, now });
}

function quietView(): BuildView {
  return { event() {}, progress: noProgress, say() {}, line: writeLog, warning() {}, end() {} };
}

/** A reader that goes away does not end the build: `bld build . | head` still makes the image. */
function whileRead(write: (text: string) => void): (text: string) => void {
  let isClosed = false;
  return (text) => {
    if (isClosed) return;
    try {
      write(text);
    } catch (error) {
      if (!(error instanceof OutputClosed)) throw error;
      isClosed = true;
    }
  };
}

function foldingFor(env: NodeJS.ProcessEnv, directory: string): Folding | undefined {
  if (env.GITHUB_ACTIONS === 'true') return githubFolding({ workspace: env.GITHUB_WORKSPACE, directory });
  return env.GITLAB_CI === 'true' ? gitlabFolding() : undefined;
}

function foldedView(options: PlainOptions): BuildView {
  const ordered = inOrder((event) => view.event(event), now);
  const view = plainView({ ...options, now: ordered.now });
  return {
    ...view,
    event: ordered.event,
    end(error) {
      ordered.flush();
      view.end(error);
    },
  };
}
