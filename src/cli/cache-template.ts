import { struct } from './template/types.ts';
import { formatList } from './template.ts';

const FIELDS = struct('main.cacheEntry', {
  Type: 'string',
  ID: 'string',
  Layer: 'string',
  Size: 'string',
  CreatedAt: 'string',
  UsedAt: 'string',
  InUse: 'bool',
  Name: 'string',
});
const HEADINGS = {
  Type: 'TYPE',
  ID: 'ID',
  Layer: 'LAYER',
  Size: 'SIZE',
  CreatedAt: 'CREATED',
  UsedAt: 'LAST USED',
  InUse: 'IN USE',
  Name: 'NAME',
};

/** The list of `bld cache ls --format`. */
export function formatCache(
  values: readonly object[],
  options: { readonly source: string; readonly noHeading: boolean },
): string {
  return formatList(values, { ...options, type: FIELDS, headings: HEADINGS });
}
