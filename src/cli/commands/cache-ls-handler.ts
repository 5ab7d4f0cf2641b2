import { BldError } from '../../base/errors.ts';
import { type CacheEntry, type CacheKind, keptCache } from '../../builder/kept-cache.ts';
import { json, lines, text } from '../output.ts';
import type { Handler } from '../spec.ts';
import { renderTable } from '../table.ts';
import { humanAge, humanSize } from '../units.ts';
import type { spec } from './cache-ls.ts';

/** Which kinds `--steps` and `--mounts` leave: both when neither is given. */
export function kindsOf({
  steps,
  mounts,
}: {
  readonly steps: boolean;
  readonly mounts: boolean;
}): CacheKind[] {
  if (steps === mounts) return ['step', 'mount'];
  return steps ? ['step'] : ['mount'];
}

export const handle: Handler<typeof spec.flags> = async (context, options) => {
  if (options.quiet && options.format !== undefined) {
    throw new BldError('E_USAGE', 'quiet and format are mutually exclusive');
  }
  const entries = keptCache(await context.store(), kindsOf(options));
  const now = Date.now();
  const short = (hex: string) => (options.noTrunc ? hex : hex.slice(0, 12));
  const layerOf = ({ layer }: CacheEntry) => (layer === null ? '<none>' : short(layer.slice(7)));
  const ageOf = (time: number | null) => (time === null ? '<unknown>' : humanAge(time, now));
  if (options.json) {
    return json(
      entries.map(({ kind, id, layer, title, size, created, used, inUse }) => ({
        type: kind,
        id: short(id),
        layer: layer === null ? null : options.noTrunc ? layer : short(layer.slice(7)),
        name: title,
        size,
        created: created === null ? null : new Date(created).toISOString(),
        used: new Date(used).toISOString(),
        inuse: inUse,
      })),
    );
  }
  if (options.quiet && options.format === undefined) return lines(entries.map(({ id }) => short(id)));
  if (options.format !== undefined) {
    const { formatCache } = await import('../cache-template.ts');
    return text(
      formatCache(
        entries.map((entry) => ({
          Type: entry.kind,
          ID: short(entry.id),
          Layer: layerOf(entry),
          Size: humanSize(entry.size),
          CreatedAt: ageOf(entry.created),
          UsedAt: ageOf(entry.used),
          InUse: entry.inUse,
          Name: entry.title,
        })),
        { source: options.format, noHeading: options.noheading },
      ),
    );
  }
  const rows = entries.map((entry) => [
    entry.kind,
    short(entry.id),
    layerOf(entry),
    humanSize(entry.size),
    ageOf(entry.created),
    ageOf(entry.used),
    entry.title,
  ]);
  const headings = ['TYPE', 'ID', 'LAYER', 'SIZE', 'CREATED', 'LAST USED', 'NAME'];
  return text(renderTable(options.noheading ? rows : [headings, ...rows]));
};
