import { readFileSync } from 'node:fs';
import { join } from 'node:path';

declare const BLD_VERSION: string | undefined;
declare const BLD_COMMIT: string | undefined;
declare const BLD_BUILT: string | undefined;

/** Versions of the OCI specifications that bld writes. */
export const IMAGE_SPEC = '1.1.1';
export const RUNTIME_SPEC = '1.2.1';

export interface Identity {
  readonly version: string;
  readonly commit: string;
  /** RFC 3339, or empty when run from source. */
  readonly built: string;
}

/** What this bld is; told by the bundler, or read from package.json when run from source. */
export function identity(): Identity {
  if (typeof BLD_VERSION === 'string') {
    return { version: BLD_VERSION, commit: BLD_COMMIT ?? '', built: BLD_BUILT ?? '' };
  }
  const file = join(import.meta.dirname, '../../package.json');
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
  return { version, commit: '', built: '' };
}

/** What `bld --version` prints. */
export function versionLine(): string {
  return `bld version ${identity().version} (image-spec ${IMAGE_SPEC}, runtime-spec ${RUNTIME_SPEC})`;
}
