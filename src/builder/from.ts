import type { Platform } from '../base/descriptor.ts';
import { BldError } from '../base/errors.ts';
import { log } from '../base/log.ts';
import { emptyConfig } from '../images/config.ts';
import { parseLocation } from '../images/location.ts';
import { derivedFrom } from '../images/mutate.ts';
import { hostPlatform } from '../images/platform.ts';
import { type PullPolicy, pullImage } from '../images/pull.ts';
import { imageConfig, imageData, inheritedAnnotations } from '../images/record.ts';
import { baseName, isImageId, localCandidates, parseReference } from '../images/reference.ts';
import type { ImageRecord, Store } from '../store/types.ts';
import { type Container, read } from './container.ts';
import type { Engine } from './engine.ts';
import type { Base, ContainerState, ImageFormat, RunDefaults } from './state.ts';
import { imageOf } from './step-lookup.ts';

export interface FromOptions {
  /** The container's name; the image's with `-working-container` when absent, numbered when taken. */
  readonly name?: string | undefined;
  /** Names of images for this machine stay theirs when one for another is pulled. */
  readonly aside?: boolean | undefined;
  /** Put in front of `-working-container`'s place. */
  readonly suffix?: string | undefined;
  readonly pull?: PullPolicy | undefined;
  readonly platform?: Platform | undefined;
  /** What a commit writes unless told otherwise: `oci`. */
  readonly format?: ImageFormat | undefined;
  /** The container's images have the annotations of the base (true when absent). */
  readonly inheritAnnotations?: boolean | undefined;
  /** The container goes with this process, unless it is kept. */
  readonly transient?: boolean | undefined;
  /** How its commands run unless a `run` says otherwise. */
  readonly run?: RunDefaults | undefined;
}

/** The image by name, id or location (`oci:…`), pulled as the policy says. */
export async function obtainImage(
  engine: Engine,
  image: string,
  options: Pick<FromOptions, 'pull' | 'platform' | 'aside'> = {},
): Promise<ImageRecord> {
  const record = await pullImage(engine.store, image, {
    policy: options.pull ?? 'missing',
    registry: { ...engine.registry, uid: engine.environment.uid, signal: engine.signal },
    onProgress: engine.progress,
    ...(options.platform && { platform: options.platform }),
    ...(options.aside && { aside: true }),
    ...(engine.borrow && { borrow: engine.borrow }),
  });
  engine.onMaterial?.({ kind: 'image', name: knownAs(engine, record, image), image: record });
  return record;
}

function nameOf(image: string): string {
  try {
    return baseName(parseReference(image));
  } catch {
    const [plain = ''] = image.replace(/^[a-z-]+:(\/\/)?/, '').split(/[:@]/);
    return plain.slice(plain.lastIndexOf('/') + 1).replace(/[^a-zA-Z0-9_.-]/g, '-');
  }
}

/**
 * The name by which people know the image: the one asked for when the image has it, else its first, else that of the
 * list it stands in, else where it came from, else its id.
 */
function knownAs({ store }: Engine, record: ImageRecord, asked: string): string {
  const { names } = record;
  const matching = names.find(
    (name) => name === asked || name.endsWith(`/${asked}`) || name.startsWith(`${asked}:`),
  );
  const known = matching ?? names[0];
  if (known !== undefined || isImageId(asked)) return known ?? record.id.slice(7);
  const { source = '' } = imageData(record);
  const pulled = source.startsWith('docker://') ? source.slice('docker://'.length) : record.id.slice(7);
  return parseLocation(asked) ? pulled : (nameOfList(store, asked) ?? pulled);
}

function nameOfList(store: Store, asked: string): string | undefined {
  return localCandidates(asked).find((name) => store.images.findIndex(name));
}

/** Tries when somebody else removes the image between our look at it and the container on it. */
const TRIES = 3;

/** Makes a working container on an image, or on nothing (`scratch`). Its files are unpacked when a step needs them. */
export async function from(engine: Engine, asked: string, options: FromOptions = {}): Promise<Container> {
  if (asked === 'scratch') {
    const base: Base = { name: null, id: null, manifest: null, layers: 0, history: 0 };
    const image = emptyConfig(options.platform ?? hostPlatform());
    const state = stateOf({ base, image }, options);
    return create(engine, { state, name: suffixOf(options), options, imageName: '', layers: [] });
  }
  for (let tries = 1; ; tries++) {
    const record = await obtainImage(engine, asked, options);
    try {
      return fromRecord(engine, { record, asked, options });
    } catch (error) {
      if (tries === TRIES || imageOf(engine, record.id)) throw error;
    }
  }
}

function suffixOf({ suffix }: FromOptions): string {
  return suffix ?? 'working-container';
}

interface BaseImage {
  readonly record: ImageRecord;
  /** The text that named it. */
  readonly asked: string;
  readonly options: FromOptions;
}

function fromRecord(engine: Engine, { record, asked, options }: BaseImage): Container {
  const name = knownAs(engine, record, asked);
  const config = derivedFrom(imageConfig(engine.store, record));
  const base: Base = {
    name,
    id: record.id,
    manifest: record.manifest?.digest ?? null,
    layers: record.layers.length,
    history: config.history?.length ?? 0,
  };
  const inherited = options.inheritAnnotations === false ? {} : inheritedAnnotations(engine.store, record);
  const state = stateOf({ base, image: config, inherited }, options);
  const word = nameOf(record.names.length > 0 ? name : asked);
  log.debug(`base ${record.id} has ${record.layers.length} layers`);
  return create(engine, {
    state,
    name: `${word}-${suffixOf(options)}`,
    options,
    imageName: name,
    layers: record.layers.map((layer) => layer.diffId),
  });
}

interface BaseSettings {
  readonly base: Base;
  readonly image: ContainerState['image'];
  /** Annotations of the base. */
  readonly inherited?: ContainerState['annotations'];
}

function stateOf({ base, image, inherited = {} }: BaseSettings, options: FromOptions): ContainerState {
  return {
    version: 1,
    base,
    image,
    format: options.format ?? 'oci',
    annotations: { ...inherited, ...baseAnnotations(base) },
    run: options.run ?? {},
  };
}

function baseAnnotations({ manifest, name }: Base): Record<string, string> {
  return {
    ...(manifest !== null && { 'org.opencontainers.image.base.digest': manifest }),
    ...(name !== null && { 'org.opencontainers.image.base.name': name }),
  };
}

interface Creation {
  readonly state: ContainerState;
  readonly name: string;
  readonly options: FromOptions;
  readonly imageName: string;
  readonly layers: ContainerState['image']['rootfs']['diff_ids'];
}

function create(engine: Engine, { state, name, options, imageName, layers }: Creation): Container {
  const { store } = engine;
  const { id: imageId } = state.base;
  const { id } = store.transaction(() => {
    // from here on the container keeps the layers
    if (imageId !== null && !imageOf(engine, imageId)) {
      throw new BldError('E_NOT_FOUND', `${imageName}: the image was removed meanwhile`);
    }
    return store.containers.create(
      { imageId, imageName, layers, state },
      {
        base: options.name ?? name,
        unique: options.name === undefined,
        transient: options.transient,
      },
    );
  });
  return { engine, id };
}

/**
 * A container that goes on where another one is: on its layers, with its settings. What it changed since is left out.
 * It goes with this process.
 */
export function fork(container: Container, name: string): Container {
  const { record, state } = read(container);
  const { imageId, imageName, layers } = record;
  const made = container.engine.store.containers.create(
    { imageId, imageName, layers, state },
    { base: name, unique: true, transient: true },
  );
  return { engine: container.engine, id: made.id };
}
