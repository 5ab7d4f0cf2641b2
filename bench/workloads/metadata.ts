import type { Workload } from '../types.ts';

const TIMES = 10;
const LOOP = Array.from({ length: TIMES }, (_, index) => index).join(' ');

const SETUP = `$TOOL from --tls-verify=false --name first $TINY
$TOOL from --name second $TINY
$TOOL tag $TINY bench-image`;

function listing(name: string, { command, rootless }: { command: string; rootless: boolean }): Workload {
  const job = { setup: SETUP, timed: `for _ in ${LOOP}; do $TOOL ${command}; done` };
  return {
    name: rootless ? `${name}-rootless` : name,
    title: rootless ? `${name}, rootless` : name,
    unit: 'ms',
    times: TIMES,
    uses: [],
    rootless,
    target: { kind: 'ratio', most: 1, against: 'buildah' },
    jobs: { bld: job, buildah: job },
  };
}

const COMMANDS = { images: 'images', containers: 'containers', inspect: 'inspect --type image $TINY' };

/** Commands that only look. */
export const METADATA: readonly Workload[] = [false, true].flatMap((rootless) =>
  Object.entries(COMMANDS).map(([name, command]) => listing(name, { command, rootless })),
);
