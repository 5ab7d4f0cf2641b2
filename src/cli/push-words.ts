import { writeFileSync } from 'node:fs';
import { BldError, explain } from '../base/errors.ts';
import { localCandidates } from '../images/reference.ts';

/** The destination of a push without one: the registry that the name tells. */
export function destinationOf(text: string, names: readonly string[]): string {
  const name = names.find((candidate) => localCandidates(text).includes(candidate)) ?? text;
  if (!name.startsWith('localhost/')) return `docker://${name}`;
  throw new BldError('E_USAGE', `${name} names no registry to push to`, {
    hint: `give a destination: bld push ${text} registry.example.com/NAME:TAG`,
  });
}

/** Writes `--digestfile`. E_UNSUPPORTED where there is no digest. */
export function writeDigest(path: string, digest: string | null): void {
  if (digest === null)
    throw new BldError('E_UNSUPPORTED', '--digestfile: this destination keeps no manifest');
  try {
    writeFileSync(path, digest);
  } catch (error) {
    throw explain(error, `writing ${path}`);
  }
}
