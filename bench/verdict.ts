import type { Peer, Row } from './types.ts';

export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[middle]];
  return low === undefined || high === undefined ? undefined : (low + high) / 2;
}

/** What a row says about bld. */
export interface Verdict {
  /** bld's median over that of the best peer that its target names. */
  readonly ratio: number | undefined;
  /** The target in words, if there is one. */
  readonly target: string | undefined;
  /** Undefined where there is no target, or nobody to compare with. */
  readonly isMet: boolean | undefined;
}

const families = (row: Row): readonly string[] => {
  const { target } = row.workload;
  return target?.kind === 'ratio' && target.against === 'buildah' ? ['buildah'] : ['buildah', 'docker'];
};

/** Compares medians. A job of bld's that failed misses its target. */
export function judge(row: Row, peers: readonly Peer[]): Verdict {
  const { target } = row.workload;
  const own = median(row.figures.get('bld') ?? []);
  const rivals = peers
    .filter(({ family }) => families(row).includes(family))
    .map(({ name }) => median(row.figures.get(name) ?? []))
    .filter((value) => value !== undefined);
  const ratio = own === undefined || rivals.length === 0 ? undefined : own / Math.min(...rivals);
  if (!target) return { ratio, target: undefined, isMet: undefined };
  const measured = target.kind === 'ratio' ? ratio : own;
  return {
    ratio,
    target: target.kind === 'ratio' ? `≤ ${target.most}` : `≤ ${target.most} ${row.workload.unit}`,
    isMet: row.failures.has('bld') ? false : measured === undefined ? undefined : measured <= target.most,
  };
}
