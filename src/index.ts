/**
 * bld as a library: the verbs of the commands, typed. As root it works in any Node process; rootless, run the program
 * inside bld's namespaces: `bld unshare node build.mjs`.
 */

export type { Platform } from './base/descriptor.ts';
export { BldError, type ErrorCode } from './base/errors.ts';
export type { Progress, ProgressEvent } from './base/progress.ts';
export type { SourceRequest } from './builder/build/context.ts';
export type { Destination, FilesOutput, PushedName } from './builder/build/deliver.ts';
export {
  type BuildEvent,
  type BuildOptions,
  type Built,
  type BuiltPlatform,
  build,
} from './builder/build.ts';
export { type CommitOptions, type Committed, commit } from './builder/commit.ts';
export { type ConfigChange, config } from './builder/config.ts';
export { type Container, findContainer } from './builder/container.ts';
export { add, type CopyOptions, copy } from './builder/copy.ts';
export { type Engine, type EngineOptions, openEngine as open } from './builder/engine.ts';
export { type FromOptions, from } from './builder/from.ts';
export { type PullRequest, type PushRequest, pull, push } from './builder/images.ts';
export {
  type AddOptions,
  addToList,
  type ChangedList,
  type CreateListOptions,
  createList,
  type ManifestList,
  removeFromList,
} from './builder/lists.ts';
export type { ProvenanceOptions } from './builder/provenance/types.ts';
export { remove } from './builder/remove.ts';
export { mount, unmount } from './builder/rootfs.ts';
export { type RunOptions, run } from './builder/run.ts';
