import { BldError } from '../../base/errors.ts';
import { findContainer } from '../../builder/container.ts';
import { mount, unmount } from '../../builder/rootfs.ts';
import { runInNamespaces } from '../../builder/unshare.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './unshare.ts';

export const handle: Handler<typeof spec.flags> = async (context, options, words) => {
  const argv = words.length > 0 ? words : [context.env['SHELL'] || '/bin/sh'];
  const engine = await context.engine({ quiet: true });
  const env: Record<string, string> = {};
  const mounted = [];
  for (const text of options.mount) {
    const [, variable = '', name = ''] = /^(?:([A-Za-z_]\w*)=)?(.+)$/.exec(text) ?? [];
    const container = findContainer(engine, name);
    mounted.push(container);
    env[variable || name.replace(/\W/g, '_')] = await mount(container, 'here');
  }
  try {
    const code = await runInNamespaces(argv, { env, signal: context.signal });
    if (code !== 0) throw new BldError('E_RUN', `exit status ${code}`, { exitCode: code });
    return undefined;
  } finally {
    for (const container of mounted) unmount(container);
  }
};
