import { arch, availableParallelism, cpus, release, totalmem } from 'node:os';
import type { Peer, Row } from './types.ts';
import { judge, median } from './verdict.ts';

/** No workload of bld's may take more. */
const MEMORY_LIMIT_KIB = 200 * 1024;

function amount(value: number | undefined, unit: 'ms' | 'KiB'): string {
  if (value === undefined) return '–';
  if (unit === 'KiB') return `${Math.round(value / 1024)} MiB`;
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  return `${value.toFixed(value < 100 ? 1 : 0)} ms`;
}

const mark = (isMet: boolean | undefined) => (isMet === undefined ? '' : isMet ? ' ✓' : ' ✗');

function cell(row: Row, name: string): string {
  return row.failures.has(name) ? 'failed' : amount(median(row.figures.get(name) ?? []), row.workload.unit);
}

function memory(row: Row): string {
  const peak = row.peaks.get('bld');
  return peak === undefined ? '–' : `${amount(peak, 'KiB')}${mark(peak < MEMORY_LIMIT_KIB)}`;
}

/** The table: a heading and a line a workload; the names of peers are columns. */
export function table(rows: readonly Row[], peers: readonly Peer[]): string[][] {
  const names = [...new Set(peers.map(({ name }) => name))];
  const lines = rows.map((row) => {
    const { ratio, target, isMet } = judge(row, peers);
    return [
      row.workload.title,
      ...names.map((name) => cell(row, name)),
      ratio === undefined ? '–' : ratio.toFixed(2),
      target === undefined ? '' : `${target}${mark(isMet)}`,
      memory(row),
    ];
  });
  return [['', ...names, 'ratio', 'target', 'peak memory'], ...lines];
}

/** Columns in line, for a terminal. */
export function plain([heading = [], ...lines]: readonly string[][]): string {
  const all = [heading, ...lines];
  const widths = heading.map((_, column) => Math.max(...all.map((line) => line[column]?.length ?? 0)));
  const pad = (text: string, column: number) =>
    column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[column] ?? 0);
  return all.map((line) => line.map(pad).join('  ').trimEnd()).join('\n');
}

export function markdown([heading = [], ...lines]: readonly string[][]): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = heading.map((_, column) => (column === 0 ? '---' : '---:'));
  return [heading, rule, ...lines].map(row).join('\n');
}

/** The machine in one line. */
export function machine(): string {
  const gib = Math.round(totalmem() / 2 ** 30);
  return `${availableParallelism()} × ${cpus()[0]?.model ?? arch()}, ${gib} GiB, Linux ${release()}, Node ${process.version}`;
}

/** Everything that was measured, for a file. */
export function figures(rows: readonly Row[], peers: readonly Peer[]): unknown {
  return {
    date: new Date().toISOString(),
    machine: machine(),
    peers: [...new Set(peers.map(({ name }) => name))],
    workloads: rows.map((row) => ({
      name: row.workload.name,
      title: row.workload.title,
      unit: row.workload.unit,
      figures: Object.fromEntries(row.figures),
      peakMemoryKib: Object.fromEntries(row.peaks),
      failures: Object.fromEntries(row.failures),
      ...judge(row, peers),
    })),
  };
}
