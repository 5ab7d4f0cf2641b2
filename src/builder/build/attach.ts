import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BldError } from '../../base/errors.ts';
import type { RunStep } from '../../dockerfile/evaluate.ts';
import { scriptPath } from '../../dockerfile/history.ts';
import type { RunMount } from '../../runtime/spec.ts';
import type { Attachments } from '../run.ts';
import { type OutputTail, openOutput } from './run-output.ts';
import type { StepPlace } from './stage.ts';

interface Extras {
  /** Variables that are no part of the key. */
  readonly proxies: Readonly<Record<string, string>>;
  readonly tail: OutputTail;
}

/** What a RUN gets to see besides its root: mounts, secrets, its script; and where its output goes. */
export function attach(place: StepPlace, step: RunStep, { proxies, tail }: Extras): Attachments {
  const { job, stage, container } = place;
  const { store } = container.engine;
  if (step.mounts.length > 0) throw new BldError('E_UNSUPPORTED', 'mounts');
  return {
    inputs: () => [['script', step.command.form === 'script' ? step.command.content : '']],
    open: async ({ stack }) => {
      const mounts: RunMount[] = [];
      const label = job.label(stage);
      const pipe = stack.use(
        openOutput(store, (chunk) => {
          tail.add(chunk);
          job.options.onEvent?.({ kind: 'output', stage: label, chunk });
        }),
      );
      if (step.command.form === 'script') {
        const directory = mkdtempSync(join(store.scratch(), 'script-'));
        stack.defer(() => rmSync(directory, { recursive: true, force: true }));
        const source = join(directory, 'script');
        writeFileSync(source, step.command.content, { mode: 0o755 });
        const target = scriptPath(step.command.name);
        mounts.push({ kind: 'bind', source, target, readonly: true, recursive: false });
      }
      return { mounts, env: proxies, stdio: ['ignore', pipe.fd, pipe.fd] };
    },
  };
}
