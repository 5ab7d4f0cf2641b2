/**
 * bld as a library: the verbs of the commands, typed. As root it works in any Node process; rootless, run the program
 * inside bld's namespaces: `bld unshare node build.mjs`.
 */
export { BldError, type ErrorCode } from './base/errors.ts';
export type { Progress, ProgressEvent } from './base/progress.ts';
export { type CommitOptions, type Committed, commit } from './builder/commit.ts';
export { type ConfigChange, config } from './builder/config.ts';
export { type Container, findContainer } from './builder/container.ts';
export { add, type CopyOptions, copy } from './builder/copy.ts';
export { type Engine, type EngineOptions, openEngine as open } from './builder/engine.ts';
export { type FromOptions, from } from './builder/from.ts';
export { type PullRequest, type PushRequest, pull, push } from './builder/images.ts';
export { remove } from './builder/remove.ts';
export { mount, unmount } from './builder/rootfs.ts';
export { type RunOptions, run } from './builder/run.ts';
