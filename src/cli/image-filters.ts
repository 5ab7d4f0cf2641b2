import { BldError } from '../base/errors.ts';
import type { ImageRecord, Store } from '../store/types.ts';
import { splitName } from './image-names.ts';
import { readBool } from './values.ts';

type Test = (image: ImageRecord) => boolean;

function invalid(filter: string): BldError {
  return new BldError(
    'E_USAGE',
    `invalid image filter "${filter}": must be in the format "filter=value or filter!=value"`,
    { hint: 'known are after, since, before, dangling, id, intermediate, label, readonly and reference' },
  );
}

function flagOf(key: string, value: string): boolean {
  try {
    return readBool(value);
  } catch {
    throw new BldError('E_USAGE', `non-boolean value "${value}" for the filter ${key}`);
  }
}

/** Shell patterns: `*` and `?` do not pass a slash, `[…]` is a class. */
function globOf(pattern: string): RegExp {
  const source = pattern.replace(/\*\*|\*|\?|\[[^\]]*\]|[^*?[]+|\[/g, (part) => {
    if (part === '**') return '.*';
    if (part === '*') return '[^/]*';
    if (part === '?') return '[^/]';
    if (/^\[.*\]$/s.test(part)) return part.replace(/^\[!/, '[^').replaceAll('\\', '\\\\');
    return part.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${source}$`, 's');
}

function matchesReference(pattern: string): Test {
  const glob = globOf(pattern);
  return ({ names }) =>
    names.some((name) => {
      const { Name: repository } = splitName(name);
      const parts = repository.split('/');
      // a pattern may leave the registry and the directories out, and the tag
      return parts.some((_, from) => {
        const start = parts.slice(0, from).join('/').length + (from > 0 ? 1 : 0);
        return glob.test(repository.slice(start)) || glob.test(name.slice(start));
      });
    });
}

async function momentOf(store: Store, key: string, value: string): Promise<number> {
  const { knownImage } = await import('./find-image.ts');
  try {
    return knownImage(store, value).created;
  } catch (error) {
    if (!(error instanceof BldError)) throw error;
    throw new BldError(
      'E_NOT_FOUND',
      `could not find local image for filter "${key}"="${value}": ${error.message}`,
    );
  }
}

async function labelTest(store: Store, value: string): Promise<Test> {
  const { imageConfig } = await import('../images/record.ts');
  const equals = value.indexOf('=');
  const name = equals < 0 ? value : value.slice(0, equals);
  return (image) => {
    // a manifest list has no labels
    const labels = (store.images.get(image.id) && imageConfig(store, image).config?.Labels) ?? {};
    if (!Object.hasOwn(labels, name)) return false;
    return equals < 0 || labels[name] === value.slice(equals + 1);
  };
}

async function testOf(store: Store, filter: string): Promise<Test> {
  const match = /^([^=!]+)(!?=)(.*)$/s.exec(filter);
  if (!match) throw invalid(filter);
  const [, key = '', sign, value = ''] = match;
  const test = await plainTest(store, { key, value, filter });
  return sign === '!=' ? (image) => !test(image) : test;
}

async function plainTest(
  store: Store,
  { key, value, filter }: { readonly key: string; readonly value: string; readonly filter: string },
): Promise<Test> {
  switch (key) {
    case 'after':
    case 'since': {
      const moment = await momentOf(store, key, value);
      return ({ created }) => created > moment;
    }
    case 'before': {
      const moment = await momentOf(store, key, value);
      return ({ created }) => created < moment;
    }
    case 'dangling': {
      const wanted = flagOf(key, value);
      return ({ names }) => (names.length === 0) === wanted;
    }
    case 'intermediate': {
      const wanted = flagOf(key, value);
      return ({ intermediate }) => intermediate === wanted;
    }
    case 'readonly': {
      const wanted = flagOf(key, value);
      return () => !wanted;
    }
    case 'id':
      return ({ id }) => id === value || id.slice(7).startsWith(value);
    case 'label':
      return labelTest(store, value);
    case 'reference':
      return matchesReference(value);
    default:
      throw invalid(filter.slice(0, filter.search(/!?=/)));
  }
}

/** Tests of `--filter`; an image is shown when all hold. */
export function imageTests(store: Store, filters: readonly string[]): Promise<Test[]> {
  return Promise.all(filters.map((filter) => testOf(store, filter)));
}
