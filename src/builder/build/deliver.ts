import type { Descriptor } from '../../base/descriptor.ts';
import type { Digest } from '../../base/digest.ts';
import { BldError } from '../../base/errors.ts';
import { dropPassing, holdLists, removeList } from '../../images/lists.ts';
import { type Location, parseDestination } from '../../images/location.ts';
import { formatPlatform } from '../../images/platform.ts';
import { parseReference, repositoryName } from '../../images/reference.ts';
import type { ImageRecord } from '../../store/types.ts';
import { publish, pushOptions } from '../commit.ts';
import type { Engine } from '../engine.ts';
import { type Beside, exportDirectory, exportTar, type FilesOf } from '../export.ts';
import { describe, type PushRequest, pushed } from '../images.ts';
import { addToList } from '../lists.ts';
import type { BuildOptions, BuiltPlatform } from './types.ts';

/** A place outside of the store, and what the manifest there has to be instead of what the build says. */
export interface Destination extends PushRequest {
  /** `transport:details`, or what that was read as. */
  readonly location: Location | string;
}

/** A name whose registry gets the image. */
export interface PushedName extends PushRequest {
  readonly name: string;
  /** The registry gets no tag. */
  readonly byDigest: boolean;
}

/** The files of the image: a directory, or a tar; `/dev/stdout` is standard output. */
export interface FilesOutput {
  readonly path: string;
  /** Of several platforms each has a directory of its own, `linux_arm64`; else no two may have the same file. */
  readonly split: boolean;
}

/** What a build made and has not given out yet. */
export interface Made {
  readonly id: Digest;
  readonly images: readonly BuiltPlatform[];
  readonly isIndex: boolean;
  /** The platforms were named: files of each have a directory of their own. */
  readonly isParted: boolean;
  /** What stands beside the files of the image at this place: `label` tells it from those of other images. */
  readonly beside?:
    | ((at: number, image: Digest, label: string | undefined) => Promise<readonly Beside[]>)
    | undefined;
  /** An image that is not in the store, for layers of it are with who lends them. */
  readonly lent?: ImageRecord | undefined;
}

/** True when all that is wanted are copies in registries, under names of the store or others: layers that are lent need not come here. */
export function goesToRegistries(options: BuildOptions): boolean {
  const {
    names = [],
    destinations = [],
    pushed = [],
    directories = [],
    tars = [],
    list,
    commit = {},
  } = options;
  const { compression, force } = pushOptions(commit);
  const places = destinations.map(({ location }) => locationOf(location).transport);
  return (
    list === undefined &&
    !options.cacheOnly &&
    !options.saveStages &&
    directories.length + tars.length === 0 &&
    !compression &&
    !force &&
    pushed.every(({ byDigest }) => !byDigest) &&
    names.every((name) => pushed.some((one) => one.name === name)) &&
    places.length + pushed.length > 0 &&
    places.every((transport) => transport === 'docker')
  );
}

/** True when something is attested of what is built. */
export function isAttested({ provenance, sbom }: BuildOptions): boolean {
  return provenance !== undefined || sbom !== undefined;
}

/** A place as it was given, or its text. */
export function locationOf(location: Location | string): Location {
  return typeof location === 'string' ? parseDestination(location) : location;
}

/** E_UNSUPPORTED for places that take one image, when there are several. */
export function checkDestinations({ destinations = [] }: BuildOptions): void {
  for (const { location } of destinations) {
    const { transport } = locationOf(location);
    if (transport !== 'docker-archive' && transport !== 'docker-daemon') continue;
    throw new BldError('E_UNSUPPORTED', `${transport} takes one image, not an index of several`, {
      hint: 'write an OCI archive, push to a registry, or build one platform',
    });
  }
}

/** Writes the image wherever the options want it; the manifest that was written last, null when none was. */
export async function deliver(engine: Engine, made: Made, options: BuildOptions): Promise<Descriptor | null> {
  const { destinations = [], pushed: names = [], directories = [], tars = [], commit = {}, list } = options;
  const own = pushOptions(commit);
  const { lent } = made;
  const send = (location: Location | string, request: PushRequest) =>
    lent ? publish(engine, lent, locationOf(location), request) : pushed(engine, made.id, location, request);
  let written: Descriptor | null = null;
  // a form that was asked for is what the store keeps, and every later push sends
  if (own.compression || own.force) await describe(engine, made.id, own);
  for (const { location, ...how } of destinations) {
    written = await send(location, { ...own, ...how });
  }
  for (const { path, split } of directories) await exportDirectory(engine, await filesOf(made, split), path);
  for (const { path, split } of tars) await exportTar(engine, await filesOf(made, split), path);
  for (const { name, byDigest, ...how } of names) {
    const request = { ...own, ...how };
    const target = byDigest ? await digestName(engine, made, { name, request }) : name;
    written = await send(`docker://${target}`, request);
  }
  if (list !== undefined) {
    if (isAttested(options)) await addToList(engine, list, made.id, { all: true, create: true });
    else {
      for (const { id, platform } of made.images)
        await addToList(engine, list, id, { platform, create: true });
    }
  }
  return written;
}

/** `host/repository@digest`: the manifest has to be made before it can be pushed under its digest. */
async function digestName(
  engine: Engine,
  { id }: Made,
  { name, request }: { readonly name: string; readonly request: PushRequest },
): Promise<string> {
  const { digest } = await describe(engine, id, request);
  return `${repositoryName(parseReference(name))}@${digest}`;
}

async function filesOf({ images, isParted, beside }: Made, split: boolean): Promise<readonly FilesOf[]> {
  const all: FilesOf[] = [];
  for (const [at, { id, platform }] of images.entries()) {
    const label = isParted ? formatPlatform(platform).replaceAll('/', '_') : undefined;
    const directory = label !== undefined && split ? label : null;
    all.push({ image: id, directory, beside: await beside?.(at, id, split ? undefined : label) });
  }
  return all;
}

/** Takes out of the store what was only made to be given out. */
export async function dropMade({ store }: Engine, { id, isIndex }: Made): Promise<void> {
  using _ = await holdLists(store);
  const list = isIndex ? store.images.findIndex(id) : null;
  if (!isIndex) dropPassing(store, id);
  else if (list?.names.length === 0) removeList(store, list);
}
