import { parseDigest } from '../../base/digest.ts';
import { findContainer } from '../../builder/container.ts';
import type { add, CopyOptions, copy } from '../../builder/copy.ts';
import type { Context } from '../context.ts';
import { lines, type Outcome } from '../output.ts';
import type { Values } from '../spec.ts';
import type { spec as addSpec } from './add.ts';

/** `copy` and `add`: the container, the sources, and the destination when there is more than one more word. */
export async function transfer(
  context: Context,
  options: Values<typeof addSpec.flags> & { readonly parents?: boolean },
  args: readonly string[],
  verb: typeof copy | typeof add,
): Promise<Outcome> {
  const engine = await context.engine({
    quiet: options.quiet,
    registry: options,
    cache: options.cache,
    requireCached: options.requireCached,
    explain: options.explain,
  });
  const [name = '', ...words] = args;
  const container = findContainer(engine, name);
  const destination = words.length > 1 ? words.at(-1) : undefined;
  const sources = words.length > 1 ? words.slice(0, -1) : words;
  const copying: CopyOptions = {
    from: options.from,
    contextDir: options.contextdir,
    ignoreFile: options.ignorefile,
    exclude: options.exclude,
    chown: options.chown,
    chmod: options.chmod,
    parents: options.parents,
    link: options.link,
    checksum: options.checksum === undefined ? undefined : parseDigest(options.checksum),
    allowEmptyWildcard: options.allowEmptyWildcard,
    noWildcard: !options.allowWildcard,
    keepLinks: options.noFollowSymlinks,
    timestamp: options.timestamp,
    addHistory: options.addHistory,
  };
  const digest = await verb(container, sources, destination, copying);
  return options.quiet ? undefined : lines([digest.slice(7)]);
}
