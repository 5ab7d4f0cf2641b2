import type { Job, Workload } from '../types.ts';

const PULL = '$TOOL pull --tls-verify=false $DEBIAN';
const FIRST_RUN = `container=$($TOOL from --tls-verify=false $DEBIAN)
$TOOL run $RUN $container -- true`;

const BUILD = `mkdir -p $OUT/context
printf 'FROM %s\\nRUN true\\n' $DEBIAN > $OUT/Dockerfile`;
const FIRST_RUN_IN_DOCKERFILE = '$TOOL $BUILD -t bench-image -f $OUT/Dockerfile $OUT/context';

const push = `$TOOL push --tls-verify=false $DEBIAN docker://$REGISTRY/again/$TAG:1`;
const pushByDocker = '$TOOL push $REGISTRY/again/$TAG:1';

/** What the store grows by, in KiB; an empty one has its own weight. */
function growth(setup: string, work: string): Job {
  return {
    setup: `${setup}\ndu -sk $STORE | cut -f1 > $OUT/before`,
    timed: `(${work}) >&2\nsync\necho $(($(du -sk $STORE | cut -f1) - $(cat $OUT/before)))`,
    reports: true,
  };
}

const pull = { timed: PULL };
const firstRun = { timed: FIRST_RUN };
const saved = { setup: PULL, timed: '$TOOL push $DEBIAN oci-archive:$OUT/image.tar' };
const again = { setup: `${PULL}\n${push}`, timed: push };
const used = growth('', `${FIRST_RUN}\n$TOOL commit $container bench-image\n${push}`);

/** Images on their way between registry, store and archive. */
export const IMAGES: readonly Workload[] = [
  {
    name: 'pull',
    title: 'pull Debian, 172 MB',
    unit: 'ms',
    uses: ['debian'],
    target: { kind: 'ratio', most: 0.5, against: 'all' },
    jobs: { bld: pull, buildah: pull, docker: { timed: '$TOOL pull $DEBIAN' } },
  },
  {
    name: 'pull-run',
    title: 'pull it, from and the first run',
    unit: 'ms',
    uses: ['debian'],
    target: { kind: 'ratio', most: 0.5, against: 'all' },
    jobs: {
      bld: firstRun,
      buildah: firstRun,
      docker: { setup: BUILD, timed: FIRST_RUN_IN_DOCKERFILE },
    },
  },
  {
    name: 'export',
    title: 'write it to an OCI archive',
    unit: 'ms',
    uses: ['debian'],
    target: { kind: 'ratio', most: 0.3, against: 'all' },
    jobs: {
      bld: saved,
      buildah: saved,
      docker: { setup: '$TOOL pull $DEBIAN', timed: '$TOOL save -o $OUT/image.tar $DEBIAN' },
    },
  },
  {
    name: 'push-again',
    title: 'push it where it is already',
    unit: 'ms',
    uses: ['debian'],
    jobs: {
      bld: again,
      buildah: again,
      docker: {
        setup: `$TOOL pull $DEBIAN\n$TOOL tag $DEBIAN $REGISTRY/again/$TAG:1\n${pushByDocker}`,
        timed: pushByDocker,
      },
    },
  },
  {
    name: 'disk',
    title: 'store after pull, run, commit and push of it',
    unit: 'KiB',
    once: true,
    uses: ['debian'],
    jobs: {
      bld: used,
      buildah: used,
      docker: growth(
        BUILD,
        `$TOOL $BUILD -t $REGISTRY/again/$TAG:1 -f $OUT/Dockerfile $OUT/context\n${pushByDocker}`,
      ),
    },
  },
];
