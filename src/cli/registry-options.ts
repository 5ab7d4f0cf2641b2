import { BldError } from '../base/errors.ts';
import { log } from '../base/log.ts';
import type { RegistryOptions } from '../registry/config.ts';
import { identity } from './identity.ts';

/** Values of `registryFlags`; commands that know some of them give those. */
export interface RegistryValues {
  readonly authfile?: string | undefined;
  readonly certDir?: string | undefined;
  readonly creds?: { readonly username: string; readonly password?: string } | undefined;
  readonly retry?: number;
  /** Milliseconds. */
  readonly retryDelay?: number | undefined;
  readonly tlsVerify?: boolean | undefined;
}

/** How registries are spoken to, from a command's flags; E_USAGE for a login without its password. */
export function registryOptions(values: RegistryValues, env: NodeJS.ProcessEnv): RegistryOptions {
  const { authfile, certDir, creds, retry, retryDelay, tlsVerify } = values;
  if (creds && creds.password === undefined) {
    throw new BldError('E_USAGE', `--creds has no password for ${creds.username}`, {
      hint: 'write --creds USER:PASSWORD, or keep the login with bld login',
    });
  }
  return {
    userAgent: `bld/${identity().version}`,
    ...(authfile !== undefined && { authFile: authfile }),
    ...(certDir !== undefined && { certDir }),
    ...(creds && { credentials: { username: creds.username, password: creds.password ?? '' } }),
    ...(tlsVerify !== undefined && { tlsVerify }),
    retry: {
      ...(retry !== undefined && { attempts: retry }),
      ...(retryDelay !== undefined && { delayMs: retryDelay }),
    },
    onRetry: ({ host, what, reason, waitMs }) =>
      log.info(`${what}: ${reason} from ${host}, tried again in ${Math.round(waitMs / 100) / 10} s`),
    onWarning: (text) => log.warn(text),
    ...(env.BLD_DEBUG_HTTP && { debugHttp: (line: string) => log.error(line) }),
  };
}
