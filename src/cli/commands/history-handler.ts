import { imageConfig } from '../../images/record.ts';
import type { History } from '../../images/types.ts';
import type { ImageRecord, Store } from '../../store/types.ts';
import { knownImage } from '../find-image.ts';
import { json, lines, text } from '../output.ts';
import type { Handler } from '../spec.ts';
import { renderTable } from '../table.ts';
import { slice, struct } from '../template/types.ts';
import { formatList } from '../template.ts';
import { humanAge, humanSize } from '../units.ts';
import type { spec } from './history.ts';

const FIELDS = struct('main.historyOutputParams', {
  ID: 'string',
  Created: 'string',
  CreatedAt: 'string',
  CreatedSince: 'string',
  CreatedBy: 'string',
  Size: 'string',
  Comment: 'string',
  Tags: slice('string'),
});
const HEADINGS = {
  ID: 'ID',
  Created: 'CREATED',
  CreatedAt: 'CREATED AT',
  CreatedSince: 'CREATED',
  CreatedBy: 'CREATED BY',
  Size: 'SIZE',
  Comment: 'COMMENT',
  Tags: 'TAGS',
};

interface Step {
  readonly entry: History;
  /** Bytes that the step added. */
  readonly size: number;
  /** The image's, on its newest step. */
  readonly id: string | undefined;
  readonly tags: readonly string[];
}

/** Newest first. Layers without an entry of their own are steps that say nothing. */
function stepsOf(store: Store, image: ImageRecord): readonly Step[] {
  const history = imageConfig(store, image).history ?? [];
  const sizes = image.layers.map((layer) => layer.size ?? layer.blob?.size ?? 0);
  const steps = history.map((entry) => ({ entry, size: entry.empty_layer ? 0 : (sizes.shift() ?? 0) }));
  const all = [...steps, ...sizes.map((size) => ({ entry: {} as History, size }))].reverse();
  return all.map((step, index) => ({
    ...step,
    id: index === 0 ? image.id.slice(7) : undefined,
    tags: index === 0 ? image.names : [],
  }));
}

function shortened(text: string, whole: boolean): string {
  const line = text.replace(/[\t\n\r]+/g, ' ');
  return whole || line.length <= 45 ? line : `${line.slice(0, 42)}...`;
}

export const handle: Handler<typeof spec.flags> = async (context, options, [asked = '']) => {
  const store = await context.store();
  const steps = stepsOf(store, knownImage(store, asked));
  const now = Date.now();
  const idOf = ({ id }: Step) => (id === undefined ? '<missing>' : options.noTrunc ? id : id.slice(0, 12));
  const sizeOf = ({ size }: Step) => (options.human ? humanSize(size) : String(size));
  const momentOf = ({ entry }: Step) => entry.created ?? '0001-01-01T00:00:00Z';
  const ageOf = (step: Step) => humanAge(Date.parse(momentOf(step)), now);

  if (options.json || options.format === 'json') {
    return json(
      steps.map((step) => ({
        id: step.id ?? '<missing>',
        created: momentOf(step),
        CreatedBy: step.entry.created_by ?? '',
        ...(step.tags.length > 0 && { tags: step.tags }),
        size: step.size,
        comment: step.entry.comment ?? '',
      })),
    );
  }
  if (options.format !== undefined) {
    const values = steps.map((step) => ({
      ID: idOf(step),
      Created: options.human ? ageOf(step) : momentOf(step),
      CreatedAt: momentOf(step),
      CreatedSince: ageOf(step),
      CreatedBy: shortened(step.entry.created_by ?? '', options.noTrunc),
      Size: sizeOf(step),
      Comment: step.entry.comment ?? '',
      Tags: step.tags,
    }));
    return text(
      formatList(values, { source: options.format, type: FIELDS, headings: HEADINGS, noHeading: false }),
    );
  }
  if (options.quiet) return lines(steps.map(idOf));
  const cells = steps.map((step) => [
    idOf(step),
    options.human ? ageOf(step) : momentOf(step),
    shortened(step.entry.created_by ?? '', options.noTrunc),
    sizeOf(step),
    step.entry.comment ?? '',
  ]);
  return text(renderTable([['ID', 'CREATED', 'CREATED BY', 'SIZE', 'COMMENT'], ...cells]));
};
