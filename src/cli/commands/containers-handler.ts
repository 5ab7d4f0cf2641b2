import { BldError } from '../../base/errors.ts';
import type { ContainerRecord } from '../../store/types.ts';
import { json, lines, text } from '../output.ts';
import type { Handler } from '../spec.ts';
import { struct } from '../template/types.ts';
import { formatList } from '../template.ts';
import type { spec } from './containers.ts';

const FIELDS = struct('main.containerOutputParams', {
  ContainerID: 'string',
  Builder: 'string',
  ImageID: 'string',
  ImageName: 'string',
  ContainerName: 'string',
});
const HEADINGS = {
  ContainerID: 'CONTAINER ID',
  Builder: 'BUILDER',
  ImageID: 'IMAGE ID',
  ImageName: 'IMAGE NAME',
  ContainerName: 'CONTAINER NAME',
};

const imageIdOf = (container: ContainerRecord) => container.imageId?.slice(7) ?? '';
const imageNameOf = (container: ContainerRecord) => container.imageName || 'scratch';

type Test = (container: ContainerRecord) => boolean;

function testOf(filter: string): Test {
  const at = filter.indexOf('=');
  if (at < 0) {
    throw new BldError(
      'E_USAGE',
      `parsing filter: incorrect filter value "${filter}", should be of form filter=value`,
    );
  }
  const [key, value] = [filter.slice(0, at), filter.slice(at + 1)];
  switch (key) {
    case 'id':
      return ({ id }) => id.includes(value);
    case 'name':
      return ({ name }) => name.includes(value);
    case 'ancestor':
      return (container) => imageNameOf(container) === value || imageIdOf(container).startsWith(value);
    default:
      throw new BldError('E_USAGE', `parsing filter: invalid filter "${key}"`, {
        hint: 'known are id, name and ancestor',
      });
  }
}

function table(containers: readonly ContainerRecord[], whole: boolean): readonly string[] {
  const [idWidth, gap] = whole ? [64, ' '] : [12, '  '];
  const row = (id: string, builder: string, image: string, imageName: string, name: string) =>
    `${id.padEnd(idWidth)}${gap}${builder.padEnd(8)} ${image.padEnd(idWidth)} ${imageName.padEnd(32)} ${name}`;
  const cut = (name: string) => (whole || name.length <= 32 ? name : `${name.slice(0, 29)}...`);
  return [
    row(HEADINGS.ContainerID, HEADINGS.Builder, HEADINGS.ImageID, HEADINGS.ImageName, HEADINGS.ContainerName),
    ...containers.map((container) => {
      const [id, imageId] = [container.id.slice(0, idWidth), imageIdOf(container).slice(0, idWidth)];
      return row(id, '   *', imageId, cut(imageNameOf(container)), container.name);
    }),
  ];
}

export const handle: Handler<typeof spec.flags> = async (context, options) => {
  if (options.quiet && options.format !== undefined) {
    throw new BldError('E_USAGE', 'quiet and format are mutually exclusive');
  }
  const tests = options.filter.map(testOf);
  const store = await context.store();
  const found = store.containers.list().filter((container) => tests.every((test) => test(container)));
  if (options.json) {
    return json(
      found.map((container) => ({
        id: container.id,
        builder: true,
        imageid: imageIdOf(container),
        imagename: imageNameOf(container),
        containername: container.name,
      })),
    );
  }
  if (options.format !== undefined) {
    const values = found.map((container) => ({
      ContainerID: container.id,
      Builder: '   *',
      ImageID: imageIdOf(container),
      ImageName: imageNameOf(container),
      ContainerName: container.name,
    }));
    const { format: source, noheading: noHeading } = options;
    return text(formatList(values, { source, type: FIELDS, headings: HEADINGS, noHeading }));
  }
  if (options.quiet) return lines(found.map(({ id }) => id));
  const all = table(found, options.notruncate);
  return lines(options.noheading ? all.slice(1) : all);
};
