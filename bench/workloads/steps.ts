import type { Job, Workload } from '../types.ts';

const RUNS = 10;
const LOOP = Array.from({ length: RUNS }, (_, index) => index).join(' ');

const SMALL = { source: 'small', title: '2,400 files, 19 MB', uses: ['small'] } as const;
const LARGE = { source: 'large', title: 'one file of 1 GiB', uses: ['large'] } as const;

/** A container of the small base whose layers are in place. */
const CONTAINER = `
$TOOL from --tls-verify=false --name bench $TINY
$TOOL run $RUN bench -- true`;

/** A Dockerfile from lines, and the directory it stands in. */
function dockerfile(name: string, lines: readonly string[]): string {
  return [`mkdir -p $OUT/context`, `cat > $OUT/${name} <<END`, `FROM $TINY`, ...lines, `END`].join('\n');
}

const build = (name: string, context: string) => `$TOOL $BUILD $NOWHERE -f $OUT/${name} ${context}`;

const runInDockerfile: Job = {
  setup: `$TOOL pull $TINY
${dockerfile('one', ['RUN true'])}
${dockerfile(
  'many',
  Array.from({ length: RUNS + 1 }, () => 'RUN true'),
)}
${build('one', '$OUT/context')}`,
  baseline: build('one', '$OUT/context'),
  timed: build('many', '$OUT/context'),
};

/** The files are newer than any that a daemon has seen: it fetches them again. */
function copyInDockerfile(source: string): Job {
  return {
    setup: `$TOOL pull $TINY
${dockerfile('none', ['LABEL bench=none'])}
${dockerfile('copy', [`COPY ${source} /${source}`])}
find $CONTEXT/${source} -exec touch {} +
${build('none', '$OUT/context')}`,
    baseline: build('none', '$CONTEXT'),
    timed: build('copy', '$CONTEXT'),
  };
}

function copyOf({ source, title, uses }: typeof SMALL | typeof LARGE, most: number): Workload {
  const steps = { setup: CONTAINER, timed: `$TOOL copy bench $CONTEXT/${source} /${source}` };
  return {
    name: `copy-${source}`,
    title: `copy, ${title}`,
    unit: 'ms',
    uses,
    target: { kind: 'ratio', most, against: 'all' },
    jobs: { bld: steps, buildah: steps, docker: copyInDockerfile(source) },
  };
}

function commitOf({ source, title, uses }: typeof SMALL | typeof LARGE): Workload {
  const steps = {
    setup: `${CONTAINER}\n$TOOL copy bench $CONTEXT/${source} /${source}`,
    timed: '$TOOL commit bench bench-image',
  };
  return {
    name: `commit-${source}`,
    title: `commit of it, ${title}`,
    unit: 'ms',
    uses,
    target: { kind: 'ratio', most: 0.35, against: 'all' },
    jobs: { bld: steps, buildah: steps },
  };
}

const run = { setup: CONTAINER, timed: `for _ in ${LOOP}; do $TOOL run $RUN bench -- true; done` };

const inProcess: Job = {
  setup: CONTAINER,
  timed: `${process.execPath} --disable-warning=ExperimentalWarning ${import.meta.dirname}/../in-process.ts $STORE ${RUNS}`,
  reports: true,
};

const script = {
  setup: '$TOOL pull --tls-verify=false $TINY; echo $TAG > $CONTEXT/small/tag',
  timed: `container=$($TOOL from $TINY)
$TOOL copy $container $CONTEXT/small /srv
$TOOL run $RUN $container -- touch /srv/ready
$TOOL config --env MODE=bench --label bench=$TAG --workingdir /srv --cmd /bin/true $container
$TOOL commit $container bench-image
$TOOL push --tls-verify=false bench-image docker://$REGISTRY/script/$TAG:1`,
};

const scriptInDockerfile: Job = {
  setup: `$TOOL pull $TINY; echo $TAG > $CONTEXT/small/tag
${dockerfile('script', [
  'COPY small /srv',
  'RUN touch /srv/ready',
  'ENV MODE=bench',
  'LABEL bench=$TAG',
  'WORKDIR /srv',
  'CMD ["/bin/true"]',
])}
find $CONTEXT/small -exec touch {} +`,
  timed: `$TOOL $BUILD -t $REGISTRY/script/$TAG:1 -f $OUT/script $CONTEXT
$TOOL push $REGISTRY/script/$TAG:1`,
};

/** What a build is made of. */
export const STEPS: readonly Workload[] = [
  {
    name: 'run',
    title: 'run true',
    unit: 'ms',
    times: RUNS,
    uses: [],
    target: { kind: 'ratio', most: 0.25, against: 'buildah' },
    jobs: { bld: run, buildah: run, docker: runInDockerfile },
  },
  {
    name: 'run-in-process',
    title: 'run true, in one process',
    unit: 'ms',
    times: RUNS,
    uses: [],
    target: { kind: 'figure', most: 8 },
    jobs: { bld: inProcess, docker: runInDockerfile },
  },
  copyOf(SMALL, 0.3),
  copyOf(LARGE, 0.5),
  commitOf(SMALL),
  commitOf(LARGE),
  {
    name: 'script',
    title: 'from, copy, run, config, commit, push',
    unit: 'ms',
    uses: ['small'],
    target: { kind: 'ratio', most: 0.35, against: 'all' },
    jobs: { bld: script, buildah: script, docker: scriptInDockerfile },
  },
];
