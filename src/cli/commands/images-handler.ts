import { BldError } from '../../base/errors.ts';
import type { ImageRecord, Store } from '../../store/types.ts';
import { imageTests } from '../image-filters.ts';
import { splitName } from '../image-names.ts';
import { json, lines, text } from '../output.ts';
import type { Handler } from '../spec.ts';
import { renderTable } from '../table.ts';
import { humanAge, humanSize } from '../units.ts';
import type { spec } from './images.ts';

/** A manifest list as an image of all its images' layers, so that it can be listed among them. */
async function listedLists(store: Store): Promise<readonly ImageRecord[]> {
  if (store.images.listIndexes().length === 0) return [];
  const { allLists, imagesOf } = await import('../../images/lists.ts');
  return allLists(store).map((record) => {
    const images = imagesOf(store, record);
    const layers = images.flatMap((image) => image.layers);
    return {
      id: record.digest,
      manifest: { mediaType: record.mediaType, digest: record.digest, size: 0 },
      created: Math.max(0, ...images.map(({ created }) => created)),
      layers: [...new Map(layers.map((layer) => [layer.diffId, layer])).values()],
      names: record.names,
      pastNames: [],
      intermediate: false,
      data: {},
    };
  });
}

interface Row {
  readonly image: ImageRecord;
  /** One of its names; undefined when it has none. */
  readonly name: string | undefined;
}

function sizeOf(image: ImageRecord): number {
  return image.layers.reduce((sum, layer) => sum + (layer.size ?? layer.blob?.size ?? 0), 0);
}

function historyOf(image: ImageRecord): string {
  return image.pastNames.length > 0 ? image.pastNames.join(', ') : '<none>';
}

async function select(
  store: Store,
  asked: string | undefined,
  options: { filter: readonly string[]; all: boolean },
) {
  const tests = options.filter.length > 0 ? await imageTests(store, options.filter) : [];
  if (asked !== undefined) {
    const { knownImage } = await import('../find-image.ts');
    const { nameOf } = await import('../image-names.ts');
    const list = (await listedLists(store)).find((one) => nameOf(one, asked) !== undefined);
    return [list ?? knownImage(store, asked)].filter((image) => tests.every((test) => test(image)));
  }
  const saysIntermediate = options.filter.some((filter) => filter.startsWith('intermediate'));
  return [...store.images.list(), ...(await listedLists(store))]
    .filter((image) => options.all || saysIntermediate || !image.intermediate || image.names.length > 0)
    .filter((image) => tests.every((test) => test(image)))
    .sort((a, b) => b.created - a.created);
}

export const handle: Handler<typeof spec.flags> = async (context, options, [asked]) => {
  if (options.quiet && options.format !== undefined) {
    throw new BldError('E_USAGE', 'quiet and format are mutually exclusive');
  }
  const images = await select(await context.store(), asked, options);
  const now = Date.now();
  const idOf = ({ id }: ImageRecord) => (options.noTrunc ? id : id.slice(7, 19));

  if (options.json) {
    return json(
      images.map((image) => ({
        id: options.noTrunc ? image.id : image.id.slice(7, 19),
        names: image.names.length > 0 ? image.names : null,
        digest: image.manifest?.digest ?? '',
        createdat: humanAge(image.created, now),
        size: humanSize(sizeOf(image)),
        created: Math.floor(image.created / 1000),
        createdatraw: new Date(image.created).toISOString().replace('.000Z', 'Z'),
        readonly: false,
        history: options.history && image.pastNames.length > 0 ? image.pastNames : null,
      })),
    );
  }
  if (options.quiet && options.format === undefined) return lines([...new Set(images.map(idOf))]);

  const rows = images.flatMap((image): Row[] =>
    image.names.length > 0 ? image.names.map((name) => ({ image, name })) : [{ image, name: undefined }],
  );
  if (options.format !== undefined) {
    const { formatImages } = await import('../image-template.ts');
    return text(
      formatImages(
        rows.map(({ image, name }) => ({
          ...splitName(name),
          ID: idOf(image),
          Digest: image.manifest?.digest ?? '<none>',
          Created: Math.floor(image.created / 1000),
          CreatedAt: humanAge(image.created, now),
          Size: humanSize(sizeOf(image)),
          CreatedAtRaw: new Date(image.created),
          ReadOnly: false,
          History: historyOf(image),
        })),
        { source: options.format, noHeading: options.noheading },
      ),
    );
  }
  const columns: readonly (readonly [heading: string, cell: (row: Row) => string])[] = [
    ['REPOSITORY', ({ name }) => splitName(name).Name],
    ['TAG', ({ name }) => splitName(name).Tag],
    ...(options.digests ? [['DIGEST', ({ image }: Row) => image.manifest?.digest ?? '<none>'] as const] : []),
    ['IMAGE ID', ({ image }) => idOf(image)],
    ['CREATED', ({ image }) => humanAge(image.created, now)],
    ['SIZE', ({ image }) => humanSize(sizeOf(image))],
    ...(options.history ? [['HISTORY', ({ image }: Row) => historyOf(image)] as const] : []),
  ];
  const cells = rows.map((row) => columns.map(([, cell]) => cell(row)));
  const headings = options.noheading ? [] : [columns.map(([heading]) => heading)];
  return text(renderTable([...headings, ...cells]));
};
