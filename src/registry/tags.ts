import { BldError } from '../base/errors.ts';
import { readAll } from '../base/streams.ts';
import type { Channel } from './channel.ts';
import { isTag } from './config.ts';

const PAGE_LIMIT = 8 * 1024 * 1024;
const PAGES = 10_000;

/** The address of a `Link` header's `rel="next"` (RFC 8288), as written. */
export function nextLink(header: string | null): string | undefined {
  for (const [, address, parameters] of (header ?? '').matchAll(/<([^>]*)>([^<]*)/g)) {
    if (/;\s*rel\s*=\s*"?(?:[^",;]*\s)?next(?=[\s",;]|$)/i.test(parameters ?? '')) return address;
  }
  return undefined;
}

function tagsOf(bytes: Buffer, what: string): string[] {
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new BldError('E_REGISTRY', `${what}: the answer is not JSON`, { cause });
  }
  const { tags } = (document ?? {}) as Record<string, unknown>;
  // registries are seen to list nulls and digests
  return Array.isArray(tags) ? tags.filter(isTag) : [];
}

export interface TagQuestion {
  readonly channel: Channel;
  /** `/v2/<name>/tags/list` */
  readonly path: string;
  readonly scopes: readonly string[];
  readonly what: string;
}

/** The tags in the registry's order, page by page; what is no tag is left out. A next page elsewhere is refused. */
export async function* listTags({ channel, path, scopes, what }: TagQuestion): AsyncGenerator<string> {
  const seen = new Set<string>();
  let at: string | URL = `${path}?n=1000`;
  for (let page = 0; page < PAGES; page++) {
    const answer = await channel.ask({ method: 'GET', at, scopes, what });
    if (answer.status !== 200) throw await channel.refuse(answer, what);
    seen.add(answer.url.href);
    yield* tagsOf(await readAll(answer.body, PAGE_LIMIT, what), what);
    const link = nextLink(answer.header('link'));
    if (link === undefined) return;
    const next: URL = await channel.target(link, answer.url);
    if (next.origin !== answer.url.origin) {
      throw new BldError('E_REGISTRY', `${what}: the next page is at another host (${next.host})`);
    }
    if (seen.has(next.href)) throw new BldError('E_REGISTRY', `${what}: the pages go round in a circle`);
    at = next;
  }
  throw new BldError('E_LIMIT', `${what}: more than ${PAGES} pages`);
}
