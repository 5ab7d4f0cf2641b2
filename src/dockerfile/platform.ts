import type { Platform } from '../base/descriptor.ts';
import { Complaint } from './errors.ts';

const OPERATING_SYSTEMS = 'linux windows darwin freebsd netbsd openbsd solaris wasip1 js'.split(' ');
/** Other names of architectures, with the variant they imply. */
const ALIASES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  armhf: 'arm/v7',
  armel: 'arm/v6',
  i386: '386',
  i486: '386',
  i586: '386',
  i686: '386',
};

/** `linux/arm64`, `linux/arm/v7`, `arm64`, `linux`; what is not said is taken from `defaults`. Throws a Complaint. */
export function parsePlatform(text: string, defaults: Platform): Platform {
  const parts = text.toLowerCase().split('/');
  if (parts.length > 3 || !parts.every((part) => /^[a-z0-9_.-]+$/.test(part))) {
    throw new Complaint(`failed to parse platform ${text}`, { near: text, hint: 'write it as linux/arm64' });
  }
  const [first = '', second, third] = parts;
  if (second === undefined) {
    if (OPERATING_SYSTEMS.includes(first)) return { ...defaults, os: first };
    return platformOf(defaults.os, first);
  }
  return platformOf(first === 'macos' ? 'darwin' : first, second, third);
}

function platformOf(os: string, name: string, variant?: string): Platform {
  const alias = Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined;
  const [architecture = '', implied] = (alias ?? name).split('/');
  const written = variant && /^\d+$/.test(variant) ? `v${variant}` : variant;
  const final = normalVariant(architecture, written ?? implied);
  return { os, architecture, ...(final && { variant: final }) };
}

/** v8 is what arm64 is, v1 what amd64 is; arm without a variant is v7. */
function normalVariant(architecture: string, variant: string | undefined): string | undefined {
  if (architecture === 'arm') return variant ?? 'v7';
  const usual = architecture === 'arm64' ? 'v8' : architecture === 'amd64' ? 'v1' : undefined;
  return variant === usual ? undefined : variant;
}

/** `os/architecture[/variant]`. */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return variant ? `${os}/${architecture}/${variant}` : `${os}/${architecture}`;
}
