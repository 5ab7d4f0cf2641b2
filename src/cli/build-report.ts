import { printable } from '../base/log.ts';
import type { BuildEvent, StageLabel } from '../builder/build.ts';

/** What a build says, in Buildah's words; `say` gets whole pieces of text with their line ends. */
export function buildReport(say: (text: string) => void): (event: BuildEvent) => void {
  const prefix = ({ position, count, platform }: StageLabel) =>
    `${platform === undefined ? '' : `[${platform}] `}${count > 1 ? `[${position}/${count}] ` : ''}`;
  return (event) => {
    switch (event.kind) {
      case 'step':
        say(`${prefix(event.stage)}STEP ${event.number}/${event.stage.steps}: ${printable(event.text)}\n`);
        return;
      case 'output':
        say(event.chunk.toString());
        return;
      case 'layer':
        if (event.replayed) say(`--> Using cache${event.top ? ` ${event.top.slice(7)}` : ''}\n`);
        if (event.top) say(`--> ${event.top.slice(7, 19)}\n`);
        return;
      case 'commit':
        say(`${prefix(event.stage)}COMMIT${event.name === undefined ? '' : ` ${event.name}`}\n`);
    }
  };
}
