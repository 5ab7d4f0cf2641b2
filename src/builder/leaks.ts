import { packLayer } from '../layers/pack.ts';
import { shownPath } from '../layers/tar/entry.ts';
import type { Change } from '../layers/types.ts';
import { type Needle, Search } from './needles.ts';

/** A secret whose bytes are in a file of a layer. */
export interface Leak {
  readonly secret: string;
  readonly path: string;
}

/** What a build wants to know of the layers that it makes. */
export interface LeakWatch {
  needles(): readonly Needle[];
  /** Told of what a new or replayed layer holds; by throwing it forbids that layer. */
  found(leaks: readonly Leak[]): void;
}

/** More are not told one by one. */
const SHOWN = 10;

/** The files that hold secrets; each is read on its own, so this is for layers that are known to hold one. */
export async function leaksIn(changes: Iterable<Change>, needles: readonly Needle[]): Promise<Leak[]> {
  const leaks: Leak[] = [];
  for (const change of changes) {
    const search = new Search(needles);
    for await (const chunk of packLayer([change])) search.add(chunk);
    for (const secret of search.found) leaks.push({ secret, path: `/${shownPath(change.path)}` });
    if (leaks.length >= SHOWN) break;
  }
  return leaks;
}
