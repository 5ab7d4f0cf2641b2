import { spawnSync } from 'node:child_process';
import type { Lab } from './lab.ts';
import { runShell } from './shell.ts';
import type { Job, Peer, Places, Row, Workload } from './types.ts';

export interface Course {
  readonly lab: Lab;
  readonly places: Places;
  readonly rounds: number;
  readonly peers: readonly Peer[];
  readonly tell: (line: string) => void;
}

interface Turn {
  readonly job: Job;
  readonly peer: Peer;
  readonly tag: string;
  readonly times: number;
}

/** One job on an empty store; what one peer left in the page cache is written out before the next is timed. */
async function take(
  { lab, places }: Course,
  turn: Turn,
): Promise<{ figure: number; peak: number | undefined }> {
  const { job, peer, tag, times } = turn;
  await peer.empty();
  const folder = `out-${peer.person?.name ?? 'root'}`;
  lab.retire(folder);
  const env = {
    ...peer.env,
    ...{ REGISTRY: places.registry, TINY: places.tiny, DEBIAN: places.debian ?? '', CONTEXT: places.context },
    ...{ TAG: tag, STORE: peer.store, OUT: lab.directory(folder, peer.person) },
  };
  const shell = (script: string) => runShell(lab, script, { env, person: peer.person });
  const timed = (script: string) => {
    spawnSync('sync');
    return shell(script);
  };
  if (job.setup !== undefined) await shell(job.setup);
  const baseline = job.baseline === undefined ? 0 : (await timed(job.baseline)).ms;
  const { ms, peak, stdout } = await timed(job.timed);
  const all = job.reports ? Number(stdout.split('\n').at(-1)) : ms - baseline;
  return { figure: all / times, peak };
}

/** The order of turns moves on by one each round, so that nobody always comes after the same. */
function order<T>(items: readonly T[], round: number): T[] {
  const start = round % Math.max(items.length, 1);
  return [...items.slice(start), ...items.slice(0, start)];
}

/** Measures one workload: round by round, peer by peer. Who fails is out for this workload, with the reason. */
export async function measure(course: Course, workload: Workload): Promise<Row> {
  const { lab, tell, peers } = course;
  const row: Row = { workload, figures: new Map(), peaks: new Map(), failures: new Map() };
  const rounds = workload.once ? 1 : course.rounds;
  for (let round = 0; round < rounds; round++) {
    for (const peer of order(peers, round)) {
      const job = workload.jobs[peer.family];
      if (!job || row.failures.has(peer.name)) continue;
      const tag = `${workload.name}-${peer.name.replace(' ', '-')}-${round}`;
      try {
        const { figure, peak } = await take(course, { job, peer, tag, times: workload.times ?? 1 });
        row.figures.set(peer.name, [...(row.figures.get(peer.name) ?? []), figure]);
        if (peak !== undefined) row.peaks.set(peer.name, Math.max(peak, row.peaks.get(peer.name) ?? 0));
        tell(`${workload.name} ${round + 1}/${rounds} ${peer.name}: ${figure.toFixed(1)} ${workload.unit}`);
      } catch (error) {
        lab.signal.throwIfAborted();
        const reason = error instanceof Error ? error.message : String(error);
        row.failures.set(peer.name, reason);
        tell(`${workload.name} ${round + 1}/${rounds} ${peer.name} failed: ${reason}`);
      }
    }
  }
  for (const peer of peers) await peer.empty();
  return row;
}
