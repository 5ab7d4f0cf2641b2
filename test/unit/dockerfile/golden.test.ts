import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DockerfileError } from '../../../src/dockerfile/errors.ts';
import { buildOnPaper, plainStep, planOf } from './build.ts';

const GOLDEN = resolve(import.meta.dirname, '../../golden');

/** A case is a folder with a Dockerfile; what is made of it stands beside. */
describe('plans', () => {
  for (const name of readdirSync(join(GOLDEN, 'dockerfile'))) {
    test(name, async () => {
      const folder = join(GOLDEN, 'dockerfile', name);
      const plan = planOf(readFileSync(join(folder, 'Dockerfile'), 'utf8'));
      const stages = buildOnPaper(plan).map(({ stage, steps, config, author, history }) => ({
        stage: stage.name ?? stage.index,
        base: stage.base,
        platform: stage.platform,
        needs: stage.needs,
        steps: steps.map(plainStep),
        config,
        ...(author && { author }),
        history,
      }));
      const shown = JSON.stringify({ directives: plan.file.directives, stages }, null, 2);
      await expect(`${shown}\n`).toMatchFileSnapshot(join(folder, 'plan.json'));
    });
  }
});

describe('errors', () => {
  for (const name of readdirSync(join(GOLDEN, 'dockerfile-bad'))) {
    test(name, async () => {
      const folder = join(GOLDEN, 'dockerfile-bad', name);
      const text = readFileSync(join(folder, 'Dockerfile'), 'utf8');
      let error: unknown;
      try {
        buildOnPaper(planOf(text));
      } catch (caught) {
        error = caught;
      }
      expect(error).toBeInstanceOf(DockerfileError);
      if (!(error instanceof DockerfileError)) return;
      expect(error.code).toBe('E_DOCKERFILE');
      const hint = error.hint ? `\nhint: ${error.hint}` : '';
      await expect(`${error.message}${hint}\n`).toMatchFileSnapshot(join(folder, 'error.txt'));
    });
  }
});
