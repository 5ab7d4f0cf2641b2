import type { BuildView } from './view.ts';

/** Log files of a build of several platforms. */
export interface SplitLog {
  /** Takes what belongs to no platform. */
  readonly rest: string;
  /** The file for what a platform's stages say; that of another one too when both have its name. */
  readonly fileOf: (platform: string) => string;
}

/** Each platform's events go to a view of its own, of the file that is called after it. */
export function splitView({ rest, fileOf }: SplitLog, open: (path: string) => BuildView): BuildView {
  const views = new Map<string, BuildView>();
  const viewOf = (path: string) => {
    const view = views.get(path) ?? open(path);
    views.set(path, view);
    return view;
  };
  const main = viewOf(rest);
  return {
    ...main,
    event(event) {
      const { platform } = event.stage;
      viewOf(platform === undefined ? rest : fileOf(platform)).event(event);
    },
    end(error) {
      for (const view of views.values()) view.end(error);
    },
  };
}
