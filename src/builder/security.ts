import { BldError } from '../base/errors.ts';
import type { RunSpec } from '../runtime/spec.ts';

type Security = Pick<RunSpec, 'seccomp' | 'masked' | 'noNewPrivileges'>;

/** `--security-opt` words. SELinux and AppArmor labels that ask for nothing are accepted; others are E_UNSUPPORTED. */
export function parseSecurity(words: readonly string[]): Security {
  let security: Security = { seccomp: 'default', masked: 'default', noNewPrivileges: false };
  for (const text of words) {
    const [, name = '', value = ''] = /^([^=:]+)[=:]?(.*)$/.exec(text) ?? [];
    if (name === 'seccomp') {
      security = { ...security, seccomp: value === 'unconfined' ? 'unconfined' : { profile: value } };
    } else if (name === 'no-new-privileges') {
      security = { ...security, noNewPrivileges: value !== 'false' };
    } else if (name === 'unmask') {
      security = { ...security, masked: 'none' };
    } else if (name === 'label' || (name === 'apparmor' && value === 'unconfined')) {
    } else {
      throw new BldError('E_UNSUPPORTED', `security option ${JSON.stringify(text)} is not provided`, {
        hint: 'there is seccomp=PROFILE, seccomp=unconfined, no-new-privileges, unmask=ALL, label=disable',
      });
    }
  }
  return security;
}
