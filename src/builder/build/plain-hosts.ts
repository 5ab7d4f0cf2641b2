import { BldError } from '../../base/errors.ts';
import { addSources } from '../../dockerfile/add-sources.ts';
import type { Plan } from '../../dockerfile/plan.ts';
import { parseGitAddress } from '../git/address.ts';
import type { BuildSource } from './context.ts';

/**
 * The hosts that get a git login which names none (`GIT_AUTH_TOKEN`): the context's own; without one, and with a
 * Dockerfile of the person's own, the host of its ADDs where they name one alone. What a base image adds names none.
 */
export function plainHosts(source: BuildSource, plan: Plan): ReadonlySet<string> {
  if (source.host !== undefined) return new Set([source.host]);
  if (!source.isOwn) return new Set();
  const hosts = new Set(addSources(plan).flatMap((text) => gitHost(text) ?? []));
  return hosts.size === 1 ? hosts : new Set();
}

/** `host:port` of a repository that is reached by http or https. */
export function gitHost(text: string): string | undefined {
  try {
    const origin = parseGitAddress(text)?.remote.origin;
    return origin === undefined ? undefined : new URL(origin).host;
  } catch (error) {
    // the build tells what is wrong with it when it comes to it
    if (error instanceof BldError) return undefined;
    throw error;
  }
}
