import { existsSync } from 'node:fs';
import { BldError } from '../base/errors.ts';
import { configureLog } from '../base/log.ts';
import type { Progress, ProgressEvent } from '../base/progress.ts';
import type { Engine, EngineOptions } from '../builder/engine.ts';
import type { Store } from '../store/types.ts';
import type { Globals } from './globals.ts';
import type { Interrupts } from './interrupt.ts';
import { type Outcome, print, writeLog } from './output.ts';
import type { Drawing } from './progress.ts';
import { type RegistryValues, registryOptions } from './registry-options.ts';

export interface EngineNeeds extends Pick<EngineOptions, 'cache' | 'requireCached' | 'explain' | 'progress'> {
  /** No progress is drawn; nor is it where `progress` takes it. */
  readonly quiet?: boolean;
  /** Values of `registryFlags`, or of some of them. */
  readonly registry?: RegistryValues;
}

/** What a handler may use besides its words: everything is made on first use, so that short commands stay short. */
export interface Context {
  readonly globals: Globals;
  readonly env: NodeJS.ProcessEnv;
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal;
  /** The store alone, for commands that only look or rename. Opened once, closed when the command ends. */
  store(): Promise<Store>;
  /** The store with all that verbs need: progress on standard error, the signal, registries. One a command. */
  engine(needs?: EngineNeeds): Promise<Engine>;
  /** Prints part of the result before the command ends. */
  print(outcome: Outcome): void;
}

/** Draws on standard error; the drawing's code is loaded when the first event comes. */
function lazyProgress(): { readonly progress: Progress; end(): void } {
  const early: ProgressEvent[] = [];
  let drawing: Drawing | undefined;
  let isLoading = false;
  let ended = false;
  const load = async () => {
    const { drawProgress } = await import('./progress.ts');
    if (ended) return;
    drawing = drawProgress();
    configureLog({ write: drawing.line });
    for (const event of early) drawing.progress(event);
  };
  return {
    progress(event) {
      if (drawing) return drawing.progress(event);
      early.push(event);
      if (isLoading) return;
      isLoading = true;
      void load();
    },
    end() {
      ended = true;
      drawing?.end();
      configureLog({ write: writeLog });
    },
  };
}

/** A file of credentials that a flag names has to be there: else nobody would hear that there are none. */
function existing(registry: RegistryValues, env: NodeJS.ProcessEnv): RegistryValues {
  const { authfile } = registry;
  if (authfile === undefined || authfile === env.REGISTRY_AUTH_FILE || existsSync(authfile)) return registry;
  throw new BldError('E_NOT_FOUND', `--authfile ${authfile}: no such file`, {
    hint: 'bld login --authfile makes it',
  });
}

/** The context of one command; disposing of it closes what it opened. */
export function makeContext(
  globals: Globals,
  env: NodeJS.ProcessEnv,
  interrupts: Interrupts,
): Context & Disposable {
  let engine: Promise<Engine> | undefined;
  let opened: Engine | undefined;
  let endProgress = () => {};

  const open = (options: EngineOptions): Promise<Engine> => {
    engine ??= import('../builder/engine.ts')
      .then(({ openEngine }) =>
        openEngine({ root: globals.root, runroot: globals.runroot, last: true, ...options }),
      )
      .then((made) => {
        opened = made;
        return made;
      });
    return engine;
  };

  return {
    globals,
    env,
    get signal() {
      return interrupts.signal;
    },
    store: async () => (await open({})).store,
    engine({ quiet = false, registry = {}, ...rest } = {}) {
      const drawing = lazyProgress();
      endProgress = drawing.end;
      return open({
        ...(!quiet && { progress: drawing.progress }),
        ...rest,
        signal: interrupts.signal,
        registry: registryOptions(existing(registry, env), env),
      });
    },
    print,
    [Symbol.dispose]() {
      endProgress();
      opened?.[Symbol.dispose]();
    },
  };
}
