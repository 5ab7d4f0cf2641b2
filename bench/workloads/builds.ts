import type { Job, Material, Target, Workload } from '../types.ts';
import { WEB_DOCKERFILE } from '../web.ts';

const RUNS = 10;

/** A Dockerfile in `$OUT`; its text may use the scripts' variables. */
function dockerfile(name: string, text: string): string {
  return `cat > $OUT/${name} <<END\n${text}\nEND`;
}

const build = (name: string, context: string, flags = '') =>
  `$TOOL $BUD -q ${flags} -t bench-image -f $OUT/${name} ${context}`;

/** The base is there and unpacked, and everything has been loaded once. */
const READY = `mkdir -p $OUT/context
$TOOL $PULL $TINY
${dockerfile('ready', 'FROM $TINY\nRUN true')}
${build('ready', '$OUT/context')}`;

interface Build {
  readonly name: string;
  readonly title: string;
  readonly uses?: readonly Material[];
  readonly target?: Target;
  readonly setup: string;
  readonly timed: string;
}

/** The same for all: everybody reads Dockerfiles. */
function buildOf({ name, title, uses = [], target, setup, timed }: Build): Workload {
  const job: Job = { setup, timed };
  const jobs = { bld: job, buildah: job, docker: job };
  return { name: `bud-${name}`, title: `build: ${title}`, unit: 'ms', uses, ...(target && { target }), jobs };
}

const ratio = (most: number): Target => ({ kind: 'ratio', most, against: 'all' });

const TEN = `${READY}\n${dockerfile('ten', ['FROM $TINY', ...Array.from({ length: RUNS }, (_, at) => `RUN true ${at}`)].join('\n'))}`;

/** The files are newer than any that a daemon has seen: it fetches them again. */
function copyOf(source: 'small' | 'large', title: string, most: number): Workload {
  return buildOf({
    name: `copy-${source}`,
    title,
    uses: [source],
    target: ratio(most),
    setup: `${READY}
${dockerfile('copy', `FROM $TINY\nCOPY ${source} /${source}`)}
find $CONTEXT/${source} -exec touch {} +`,
    timed: build('copy', '$CONTEXT'),
  });
}

const STAGES = `FROM $TINY AS one
RUN sleep 1; touch /one
FROM $TINY AS two
RUN sleep 1; touch /two
FROM $TINY
COPY --from=one /one /
COPY --from=two /two /`;

const WEB = `mkdir -p $OUT/context
$TOOL $PULL $DEBIAN
${dockerfile('ready', 'FROM $DEBIAN\nRUN true')}
${build('ready', '$OUT/context')}
${dockerfile('web', WEB_DOCKERFILE)}`;

/** Whole builds from Dockerfiles, as a person types them. */
export const BUILDS: readonly Workload[] = [
  buildOf({
    name: 'run',
    title: '10 × RUN true, no cache',
    target: ratio(0.35),
    setup: TEN,
    timed: build('ten', '$OUT/context', '--no-cache'),
  }),
  buildOf({
    name: 'cached',
    title: 'the same, all cached',
    target: ratio(0.8),
    setup: `${TEN}\n${build('ten', '$OUT/context')}`,
    timed: build('ten', '$OUT/context'),
  }),
  copyOf('small', 'COPY of 2,400 files, 19 MB', 0.5),
  copyOf('large', 'COPY of one file of 1 GiB', 0.6),
  buildOf({
    name: 'ignored',
    title: 'COPY of one file beside 50,000 ignored ones',
    uses: ['ignored'],
    target: ratio(0.6),
    setup: `${READY}\n${dockerfile('ignored', 'FROM $TINY\nCOPY . /app')}\ntouch $CONTEXT/ignored/app.js`,
    timed: build('ignored', '$CONTEXT/ignored'),
  }),
  buildOf({
    name: 'stages',
    title: 'two stages of a second each',
    target: { kind: 'figure', most: 1300 },
    setup: `${READY}\n${dockerfile('stages', STAGES)}`,
    timed: build('stages', '$OUT/context'),
  }),
  buildOf({
    name: 'many',
    title: 'COPY of 100,000 files',
    uses: ['many'],
    setup: `${READY}\n${dockerfile('many', 'FROM $TINY\nCOPY . /app')}`,
    timed: build('many', '$CONTEXT/many'),
  }),
  buildOf({
    name: 'web',
    title: 'a web application: apt-get, gcc, npm ci, three stages',
    uses: ['debian', 'web'],
    target: ratio(0.9),
    setup: WEB,
    timed: build('web', '$CONTEXT/web'),
  }),
  buildOf({
    name: 'web-again',
    title: 'the same with one source file changed',
    uses: ['debian', 'web'],
    target: ratio(0.5),
    setup: `${WEB}\n${build('web', '$CONTEXT/web')}\necho "// $TAG" >> $CONTEXT/web/src/build.js`,
    timed: build('web', '$CONTEXT/web'),
  }),
];
