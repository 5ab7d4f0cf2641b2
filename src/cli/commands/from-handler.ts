import { writeFileSync } from 'node:fs';
import { explain } from '../../base/errors.ts';
import { read } from '../../builder/container.ts';
import { from } from '../../builder/from.ts';
import { lines } from '../output.ts';
import { onePlatform } from '../platform-option.ts';
import { runDefaults } from '../run-defaults.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './from.ts';

export const handle: Handler<typeof spec.flags> = async (context, options, [image = '']) => {
  const engine = await context.engine({ quiet: options.quiet, registry: options });
  const container = await from(engine, image, {
    name: options.name,
    suffix: options.suffix,
    pull: options.pullAlways ? 'always' : options.pullNever ? 'never' : options.pull,
    platform: onePlatform(options),
    format: options.format,
    run: runDefaults(options),
  });
  if (options.cidfile !== undefined) {
    try {
      writeFileSync(options.cidfile, container.id);
    } catch (error) {
      engine.store.containers.remove(container.id);
      throw explain(error, `writing the container's id`);
    }
  }
  return lines([read(container).record.name]);
};
