import type { Spot } from '../../base/errors.ts';
import { log } from '../../base/log.ts';
import type { Progress } from '../../base/progress.ts';
import type { BuildEvent, StageLabel } from '../../builder/build.ts';

/** Shows a build to somebody: a person, a log, a program. */
export interface BuildView {
  event(event: BuildEvent): void;
  /** Transfers that belong to no step: pushes. */
  readonly progress: Progress;
  /** A line of the build as a whole, with its end: "Successfully tagged …". */
  say(text: string): void;
  /** Puts a line of somebody else (a warning) where it does not disturb. */
  line(text: string): void;
  /** What a check of the Dockerfile found. */
  warning(rule: string, message: string, spot: Spot): void;
  /** After the last event, however the build ended; `error` is what it failed with. */
  end(error?: unknown): void;
}

/** Milliseconds: of any clock that only goes forward. */
export type Clock = () => number;

/** Tells stages apart while they go on at the same time. */
export function stageKey({ position, platform = '' }: StageLabel): string {
  return `${platform} ${position}`;
}

/** `[2/3] ` before what a stage says; nothing where there is one stage alone. */
export function stagePrefix({ position, count, platform }: StageLabel): string {
  return `${platform === undefined ? '' : `[${platform}] `}${count > 1 ? `[${position}/${count}] ` : ''}`;
}

/** A warning as a line among those of others. */
export function logWarning(rule: string, message: string, { file, line }: Spot): void {
  log.warn(`${file}:${line}: ${rule}: ${message}`);
}
