import { BldError } from '../../base/errors.ts';
import type { Store } from '../../store/types.ts';
import type { ImageSink, ImageSource } from '../copy.ts';
import { formatLocation, type Location, type Selector } from '../location.ts';
import { hostPlatform } from '../platform.ts';
import { findImage } from '../record.ts';
import { canonicalName, newImageName, parseReference } from '../reference.ts';
import type { TarSink } from '../tars.ts';
import type { Platform } from '../types.ts';
import { fileTarget } from './archive-writer.ts';
import { dirSink, dirSource } from './dir.ts';
import { dockerArchiveSink, dockerArchiveSource } from './docker-archive.ts';
import { dockerDaemonSink, dockerDaemonSource } from './docker-daemon.ts';
import { ociSink, ociSource } from './oci.ts';
import { ociArchiveSink, ociArchiveSource } from './oci-archive.ts';
import { type RegistryOptions, registrySink, registrySource } from './registry.ts';
import { storeSink, storeSource } from './store.ts';
import { openTarTree } from './tar-tree.ts';

export interface TransportContext {
  readonly store: Store;
  readonly registry?: RegistryOptions;
  /** Chooses among the images of an index in the store; the machine's own when absent. */
  readonly platform?: Platform;
}

export interface ResolvedSource {
  readonly source: ImageSource;
  /** Canonical names that the image has there, or should have in the store. */
  readonly names: readonly string[];
  /** The manifest is made up by bld, for the place keeps none. */
  readonly withoutManifest: boolean;
}

/** Opens the place that an image is read from. Whoever asked, disposes of `source`. E_NOT_FOUND when it is not there. */
export async function resolveSource(location: Location, context: TransportContext): Promise<ResolvedSource> {
  const { store, registry, platform = hostPlatform() } = context;
  const label = formatLocation(location);
  const scratch = () => store.scratch();
  const found = (source: ImageSource, names: readonly string[] = [], withoutManifest = false) => ({
    source,
    names,
    withoutManifest,
  });
  switch (location.transport) {
    case 'docker':
      return found(registrySource(location.reference, registry), [canonicalName(location.reference)]);
    case 'oci': {
      const source = await ociSource(location, location.select);
      return found(source, location.select?.by === 'name' ? localNames([location.select.name]) : []);
    }
    case 'oci-archive': {
      const source = await ociArchiveSource(location, scratch);
      return found(source, localNames(source.imageName === undefined ? [] : [source.imageName]));
    }
    case 'docker-archive': {
      const tree = await openTarTree(location.path, label, scratch);
      const source = await dockerArchiveSource(tree, label, location.select);
      const chosen = location.select?.by === 'name' ? [location.select.name] : source.names;
      return found(source, canonicalNames(chosen), true);
    }
    case 'docker-daemon': {
      const source = await dockerDaemonSource(location.name, label, scratch);
      return found(source, canonicalNames(source.names), true);
    }
    case 'dir':
      return found(dirSource(location.path, label));
    case 'containers-storage': {
      const image = findImage(store, location.name, platform);
      if (image) return found(storeSource(store, image), image.names);
      throw new BldError('E_NOT_FOUND', `${location.name}: image not known`);
    }
  }
}

/** Names in layouts may be tags alone: `v1` becomes `localhost/v1:latest`. What is no name at all is left out. */
function localNames(names: readonly string[]): readonly string[] {
  return names.flatMap((name) => attempt(() => newImageName(name)));
}

function canonicalNames(names: readonly string[]): readonly string[] {
  return names.flatMap((name) => attempt(() => canonicalName(parseReference(name))));
}

function attempt(name: () => string): readonly string[] {
  try {
    return [name()];
  } catch (error) {
    if (error instanceof BldError && error.code === 'E_USAGE') return [];
    throw error;
  }
}

export type ResolvedSink =
  | { readonly kind: 'blobs'; readonly sink: ImageSink }
  | { readonly kind: 'tars'; readonly sink: TarSink };

/** Opens the place that an image goes to. Whoever asked, disposes of `sink`; nothing is visible before its `commit`. */
export async function resolveSink(location: Location, context: TransportContext): Promise<ResolvedSink> {
  const label = formatLocation(location);
  switch (location.transport) {
    case 'docker':
      return { kind: 'blobs', sink: registrySink(location.reference, context.registry) };
    case 'oci':
      return { kind: 'blobs', sink: ociSink(location.path, selectedName(location, label), label) };
    case 'oci-archive':
      return {
        kind: 'blobs',
        sink: await ociArchiveSink(location.path, selectedName(location, label), label),
      };
    case 'docker-archive': {
      const name = selectedName(location, label);
      const names = name === undefined ? [] : [canonicalName(parseReference(name))];
      return { kind: 'tars', sink: dockerArchiveSink(await fileTarget(location.path), names, label) };
    }
    case 'docker-daemon':
      return { kind: 'tars', sink: dockerDaemonSink(location.name, label) };
    case 'dir':
      return { kind: 'blobs', sink: dirSink(location.path, label) };
    case 'containers-storage':
      return { kind: 'blobs', sink: storeSink(context.store, { names: [newImageName(location.name)] }) };
  }
}

function selectedName({ select }: { readonly select?: Selector }, label: string): string | undefined {
  if (select && select.by !== 'name') {
    throw new BldError('E_USAGE', `${label}: an image is written under a name alone`);
  }
  return select?.name;
}
