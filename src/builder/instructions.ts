import { BldError } from '../base/errors.ts';
import { applyToConfig, type ConfigRecord, openState } from '../dockerfile/config.ts';
import { evaluate, openScope } from '../dockerfile/evaluate.ts';
import { interpret } from '../dockerfile/interpret.ts';
import { parseFile } from '../dockerfile/parse.ts';
import { changeConfig } from '../images/mutate.ts';
import type { ContainerConfig, ImageConfig } from '../images/types.ts';

/** Those that change files or belong to a whole Dockerfile. */
const NOT_HERE: readonly string[] = ['run', 'copy', 'add', 'from', 'arg'];

/** The configuration after Dockerfile instructions that change settings alone (`commit --change`). E_DOCKERFILE, E_USAGE. */
export function applyInstructions(image: ImageConfig, texts: readonly string[]): ImageConfig {
  const config = (image.config ?? {}) as ConfigRecord;
  let state = { ...openState(config, image.author), config };
  let scope = openScope({ buildArgs: new Map(), globals: new Map(), escape: '\\' }, config.Env ?? []);
  for (const text of texts) {
    for (const node of parseFile(text, '--change').nodes) {
      const evaluation = evaluate(interpret(node), scope);
      if (NOT_HERE.includes(evaluation.step.kind)) {
        throw new BldError('E_USAGE', `--change cannot do ${node.keyword.toUpperCase()}`, {
          hint: 'it takes CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, SHELL, STOPSIGNAL, USER, VOLUME, WORKDIR',
        });
      }
      scope = evaluation.scope;
      state = applyToConfig(state, evaluation.step);
    }
  }
  const changed = { ...image, config: state.config as ContainerConfig };
  return state.author === undefined ? changed : changeConfig(changed, { author: state.author });
}
