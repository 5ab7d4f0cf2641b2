import { BldError } from '../base/errors.ts';
import type { StorePlaces } from '../registry/credentials.ts';

/** Where `login` and `logout` keep what they know, from their flags. */
export function authPlaces(
  options: { readonly authfile: string | undefined; readonly compatAuthFile: string | undefined },
  env: NodeJS.ProcessEnv,
): StorePlaces {
  const { authfile, compatAuthFile } = options;
  if (authfile !== undefined && compatAuthFile !== undefined) {
    throw new BldError('E_USAGE', '--authfile and --compat-auth-file exclude each other');
  }
  return { authFile: authfile, compatAuthFile, env };
}
