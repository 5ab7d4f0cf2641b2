import { BldError } from '../../base/errors.ts';
import { findContainer } from '../../builder/container.ts';
import type { Engine } from '../../builder/engine.ts';
import { shownAt } from '../../builder/rootfs.ts';
import type { ContainerState } from '../../builder/state.ts';
import { findList } from '../../images/lists.ts';
import { materialise } from '../../images/materialise.ts';
import { hostPlatform } from '../../images/platform.ts';
import { findImage, imageConfig, manifestAnnotations } from '../../images/record.ts';
import type { ImageRecord, Store } from '../../store/types.ts';
import { capabilityNames } from '../capability-names.ts';
import { nameOf } from '../image-names.ts';
import { inspectType } from '../inspect-type.ts';
import { type ImageFacts, inspection } from '../inspection.ts';
import { json, text } from '../output.ts';
import type { Handler } from '../spec.ts';
import { compileTemplate } from '../template.ts';
import type { spec } from './inspect.ts';

/** A template that may print the manifest or its digest; one that is made when it is asked for. */
function asksForManifest(format: string | undefined): boolean {
  return format === undefined || /Digest|Manifest|[.$](?![A-Za-z])/.test(format);
}

interface Manifest {
  readonly raw: string;
  readonly digest: string;
}

async function manifestOf(store: Store, image: ImageRecord, make: boolean): Promise<Manifest> {
  const known = store.images.get(image.id)?.manifest ?? image.manifest;
  if (known) return { raw: store.blobs.read(known.digest).toString(), digest: known.digest };
  if (!make) return { raw: '', digest: '' };
  const { manifest } = await materialise(store, image);
  return { raw: manifest.bytes.toString(), digest: manifest.digest };
}

async function imageFacts(
  store: Store,
  image: ImageRecord,
  { name, make }: { readonly name: string; readonly make: boolean },
): Promise<ImageFacts> {
  const manifest = await manifestOf(store, image, make);
  const annotations = manifestAnnotations(store, image);
  return {
    config: imageConfig(store, image),
    rawConfig: store.blobs.read(image.id).toString(),
    rawManifest: manifest.raw,
    name,
    id: image.id.slice(7),
    digest: manifest.digest,
    annotations: Object.keys(annotations).length > 0 ? annotations : null,
  };
}

async function inspectContainer(engine: Engine, asked: string, make: boolean) {
  const { store } = engine;
  const record = store.containers.find(asked);
  if (!record) return null;
  const state = record.state as ContainerState;
  const base = state.base.id === null ? null : store.images.get(state.base.id);
  const made = base ? await imageFacts(store, base, { name: record.imageName, make }) : undefined;
  const image: ImageFacts = {
    config: state.image,
    rawConfig: made?.rawConfig ?? '',
    rawManifest: made?.rawManifest ?? '',
    name: record.imageName,
    id: state.base.id?.slice(7) ?? '',
    digest: made?.digest || state.base.manifest || '',
    annotations: state.annotations,
  };
  const capabilities = capabilityNames(state.run.capAdd ?? [], state.run.capDrop ?? []);
  const mountPoint = shownAt(findContainer(engine, record.id)) ?? '';
  return inspection(image, { record, state, mountPoint, capabilities });
}

function inspectList(store: Store, asked: string) {
  const list = findList(store, asked);
  if (list) return JSON.parse(store.blobs.read(list.digest).toString());
  throw new BldError('E_NOT_FOUND', `${asked}: manifest list not known`, {
    hint: 'see bld help manifest create',
  });
}

export const handle: Handler<typeof spec.flags> = async (context, options, [asked = '']) => {
  const engine = await context.engine();
  const { store } = engine;
  if (options.type === 'manifest') return json(inspectList(store, asked));
  const make = asksForManifest(options.format);
  let value = options.type === 'container' ? await inspectContainer(engine, asked, make) : null;
  if (!value) {
    const image = findImage(store, asked, hostPlatform());
    if (!image) {
      throw new BldError('E_NOT_FOUND', `importing settings: ${asked}: image not known`, {
        hint: 'see bld containers and bld images',
      });
    }
    const name = nameOf(image, asked) ?? image.names[0] ?? image.id.slice(7);
    value = inspection(await imageFacts(store, image, { name, make }));
  }
  if (options.format === undefined) return json(value);
  return text(compileTemplate('inspect', options.format).execute(value, inspectType));
};
