/**
 * The commands, by name. Adding one is one entry in `commands`: its words (flags, help) and its work are loaded when
 * argv names it, so that the tree costs nothing.
 */
import type { CommandSpec, Flags, Handler } from './spec.ts';

export interface Entry {
  readonly words: () => Promise<CommandSpec>;
  readonly work: () => Promise<Handler<Flags>>;
}

/** Pairs a command's words with its work; the types see to it that the one fits the other. */
function entry<F extends Flags>(
  words: () => Promise<{ readonly spec: CommandSpec<F> }>,
  work: () => Promise<{ readonly handle: Handler<F> }>,
): Entry {
  return {
    words: async () => (await words()).spec as CommandSpec,
    work: async () => (await work()).handle as Handler<Flags>,
  };
}

export const commands: Readonly<Record<string, Entry>> = {
  add: entry(
    () => import('./commands/add.ts'),
    () => import('./commands/add-handler.ts'),
  ),
  build: entry(
    () => import('./commands/build.ts'),
    () => import('./commands/build-handler.ts'),
  ),
  'cache export': entry(
    () => import('./commands/cache-export.ts'),
    () => import('./commands/cache-export-handler.ts'),
  ),
  'cache import': entry(
    () => import('./commands/cache-import.ts'),
    () => import('./commands/cache-import-handler.ts'),
  ),
  'cache ls': entry(
    () => import('./commands/cache-ls.ts'),
    () => import('./commands/cache-ls-handler.ts'),
  ),
  'cache prune': entry(
    () => import('./commands/cache-prune.ts'),
    () => import('./commands/cache-prune-handler.ts'),
  ),
  commit: entry(
    () => import('./commands/commit.ts'),
    () => import('./commands/commit-handler.ts'),
  ),
  config: entry(
    () => import('./commands/config.ts'),
    () => import('./commands/config-handler.ts'),
  ),
  containers: entry(
    () => import('./commands/containers.ts'),
    () => import('./commands/containers-handler.ts'),
  ),
  copy: entry(
    () => import('./commands/copy.ts'),
    () => import('./commands/copy-handler.ts'),
  ),
  from: entry(
    () => import('./commands/from.ts'),
    () => import('./commands/from-handler.ts'),
  ),
  history: entry(
    () => import('./commands/history.ts'),
    () => import('./commands/history-handler.ts'),
  ),
  images: entry(
    () => import('./commands/images.ts'),
    () => import('./commands/images-handler.ts'),
  ),
  info: entry(
    () => import('./commands/info.ts'),
    () => import('./commands/info-handler.ts'),
  ),
  inspect: entry(
    () => import('./commands/inspect.ts'),
    () => import('./commands/inspect-handler.ts'),
  ),
  login: entry(
    () => import('./commands/login.ts'),
    () => import('./commands/login-handler.ts'),
  ),
  logout: entry(
    () => import('./commands/logout.ts'),
    () => import('./commands/logout-handler.ts'),
  ),
  'manifest add': entry(
    () => import('./commands/manifest-add.ts'),
    () => import('./commands/manifest-add-handler.ts'),
  ),
  'manifest annotate': entry(
    () => import('./commands/manifest-annotate.ts'),
    () => import('./commands/manifest-annotate-handler.ts'),
  ),
  'manifest create': entry(
    () => import('./commands/manifest-create.ts'),
    () => import('./commands/manifest-create-handler.ts'),
  ),
  'manifest exists': entry(
    () => import('./commands/manifest-exists.ts'),
    () => import('./commands/manifest-exists-handler.ts'),
  ),
  'manifest inspect': entry(
    () => import('./commands/manifest-inspect.ts'),
    () => import('./commands/manifest-inspect-handler.ts'),
  ),
  'manifest push': entry(
    () => import('./commands/manifest-push.ts'),
    () => import('./commands/manifest-push-handler.ts'),
  ),
  'manifest remove': entry(
    () => import('./commands/manifest-remove.ts'),
    () => import('./commands/manifest-remove-handler.ts'),
  ),
  'manifest rm': entry(
    () => import('./commands/manifest-rm.ts'),
    () => import('./commands/manifest-rm-handler.ts'),
  ),
  mount: entry(
    () => import('./commands/mount.ts'),
    () => import('./commands/mount-handler.ts'),
  ),
  prune: entry(
    () => import('./commands/prune.ts'),
    () => import('./commands/prune-handler.ts'),
  ),
  pull: entry(
    () => import('./commands/pull.ts'),
    () => import('./commands/pull-handler.ts'),
  ),
  push: entry(
    () => import('./commands/push.ts'),
    () => import('./commands/push-handler.ts'),
  ),
  rename: entry(
    () => import('./commands/rename.ts'),
    () => import('./commands/rename-handler.ts'),
  ),
  rm: entry(
    () => import('./commands/rm.ts'),
    () => import('./commands/rm-handler.ts'),
  ),
  rmi: entry(
    () => import('./commands/rmi.ts'),
    () => import('./commands/rmi-handler.ts'),
  ),
  run: entry(
    () => import('./commands/run.ts'),
    () => import('./commands/run-handler.ts'),
  ),
  tag: entry(
    () => import('./commands/tag.ts'),
    () => import('./commands/tag-handler.ts'),
  ),
  umount: entry(
    () => import('./commands/umount.ts'),
    () => import('./commands/umount-handler.ts'),
  ),
  unshare: entry(
    () => import('./commands/unshare.ts'),
    () => import('./commands/unshare-handler.ts'),
  ),
  untag: entry(
    () => import('./commands/untag.ts'),
    () => import('./commands/untag-handler.ts'),
  ),
  version: entry(
    () => import('./commands/version.ts'),
    () => import('./commands/version-handler.ts'),
  ),
};

/** Other names of commands. */
export const aliases: Readonly<Record<string, string>> = {
  'cache list': 'cache ls',
  list: 'containers',
  ls: 'containers',
  ps: 'containers',
  delete: 'rm',
  unmount: 'umount',
  bud: 'build',
  'build-using-dockerfile': 'build',
};
