import { struct } from './template/types.ts';
import { formatList } from './template.ts';

const FIELDS = struct('main.imageOutputParams', {
  Tag: 'string',
  ID: 'string',
  Name: 'string',
  Digest: 'string',
  Created: 'int',
  CreatedAt: 'string',
  Size: 'string',
  CreatedAtRaw: 'time',
  ReadOnly: 'bool',
  History: 'string',
});
const HEADINGS = {
  Tag: 'TAG',
  ID: 'IMAGE ID',
  Name: 'REPOSITORY',
  Digest: 'DIGEST',
  Created: 'CREATED',
  CreatedAt: 'CREATED',
  Size: 'SIZE',
  CreatedAtRaw: 'CREATED',
  ReadOnly: 'R/O',
  History: 'HISTORY',
};

/** The list of `bld images --format`. */
export function formatImages(
  values: readonly object[],
  options: { readonly source: string; readonly noHeading: boolean },
): string {
  return formatList(values, { ...options, type: FIELDS, headings: HEADINGS });
}
