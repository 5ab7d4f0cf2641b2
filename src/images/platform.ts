import { arch } from 'node:os';
import type { Descriptor, Platform } from '../base/descriptor.ts';
import { BldError } from '../base/errors.ts';

/** Other names of architectures, with the variant they imply. */
const ARCHITECTURES: Readonly<Record<string, readonly [architecture: string, variant?: string]>> = {
  x86_64: ['amd64'],
  'x86-64': ['amd64'],
  x64: ['amd64'],
  i386: ['386'],
  i686: ['386'],
  ia32: ['386'],
  aarch64: ['arm64'],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
  armv8l: ['arm', 'v8'],
  armv7l: ['arm', 'v7'],
  armv6l: ['arm', 'v6'],
  ppc64el: ['ppc64le'],
  mipsel: ['mipsle'],
  mips64el: ['mips64le'],
  loong64: ['loong64'],
};
const OPERATING_SYSTEMS: Readonly<Record<string, string>> = { macos: 'darwin' };
const KNOWN_SYSTEMS = [
  'linux',
  'windows',
  'darwin',
  'freebsd',
  'netbsd',
  'openbsd',
  'wasip1',
  'wasi',
  'js',
  'solaris',
  'aix',
];
const KNOWN_ARCHITECTURES = [
  ...['amd64', 'arm64', 'arm', '386', 'ppc64le', 'ppc64', 's390x', 'riscv64', 'loong64', 'wasm'],
  ...['mips', 'mipsle', 'mips64', 'mips64le', 'sparc64'],
];
/** The variant that an architecture without one means. */
const USUAL_VARIANT: Readonly<Record<string, string>> = { arm: 'v7', arm64: 'v8', amd64: 'v1' };

/** One spelling for each platform: `linux/x86_64` → `linux/amd64`, `arm64/v8` → `arm64`, `arm` stays without variant. */
export function normalisePlatform(platform: Platform): Platform {
  const os = platform.os.toLowerCase();
  const named = platform.architecture.toLowerCase();
  const [architecture, implied] = (Object.hasOwn(ARCHITECTURES, named) && ARCHITECTURES[named]) || [named];
  let variant = platform.variant?.toLowerCase() || implied;
  if (variant !== undefined && /^[0-9]/.test(variant)) variant = `v${variant}`;
  if (architecture !== 'arm' && variant === USUAL_VARIANT[architecture]) variant = undefined;
  const { variant: _, ...rest } = platform;
  return {
    ...rest,
    os: (Object.hasOwn(OPERATING_SYSTEMS, os) && OPERATING_SYSTEMS[os]) || os,
    architecture,
    ...(variant !== undefined && { variant }),
  };
}

/** The machine's own. bld builds Linux images, on whatever it runs. */
export function hostPlatform(): Platform {
  const { arm_version } = process.config.variables as { arm_version?: string };
  const architecture = arch();
  return normalisePlatform({
    os: 'linux',
    architecture,
    ...(architecture === 'arm' && { variant: `v${arm_version ?? '7'}` }),
  });
}

/** `os/arch[/variant]`, or an architecture or system alone (the other half is the machine's). E_USAGE. */
export function parsePlatform(text: string): Platform {
  const parts = text.trim().split('/');
  if (parts.length > 3 || parts.some((part) => !/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(part))) {
    throw new BldError('E_USAGE', `invalid platform ${JSON.stringify(text)}`, {
      hint: 'write os/arch[/variant], for example linux/arm64',
    });
  }
  const [first = '', second, variant] = parts;
  const host = hostPlatform();
  if (second !== undefined) {
    return normalisePlatform({ os: first, architecture: second, ...(variant !== undefined && { variant }) });
  }
  if (first === 'local') return host;
  if (KNOWN_SYSTEMS.includes(first.toLowerCase())) return normalisePlatform({ ...host, os: first });
  const platform = normalisePlatform({ os: host.os, architecture: first });
  if (KNOWN_ARCHITECTURES.includes(platform.architecture)) return platform;
  throw new BldError(
    'E_USAGE',
    `${JSON.stringify(text)} is neither an operating system nor an architecture`,
    {
      hint: 'write os/arch[/variant], for example linux/arm64',
    },
  );
}

/** `linux/arm/v7`. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = normalisePlatform(platform);
  return [os, architecture, variant].filter(Boolean).join('/');
}

/** How well an image of platform `offered` serves `wanted`: higher is better, -1 not at all. */
export function platformMatch(wanted: Platform, offered: Platform): number {
  const want = normalisePlatform(wanted);
  const have = normalisePlatform(offered);
  if (want.os !== have.os || want.architecture !== have.architecture) return -1;
  if (want['os.version'] !== undefined && want['os.version'] !== have['os.version']) return -1;
  const wantedVariant = want.variant ?? USUAL_VARIANT[want.architecture] ?? '';
  const variant = have.variant ?? USUAL_VARIANT[want.architecture] ?? '';
  if (wantedVariant === variant) return want.variant === have.variant ? 1001 : 1000;
  // a machine of version n runs what was made for the versions before it
  const [newest, older] = [versionOf(wantedVariant), versionOf(variant)];
  return newest !== undefined && older !== undefined && older < newest ? older : -1;
}

function versionOf(variant: string): number | undefined {
  const digits = /^v([0-9]{1,2})(?:\.[0-9]+)?$/.exec(variant)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** True for what is no image to run: attestations that stand beside images in an index. */
export function isAttestation(descriptor: Descriptor): boolean {
  return (
    descriptor.platform?.os === 'unknown' ||
    descriptor.annotations?.['vnd.docker.reference.type'] === 'attestation-manifest'
  );
}

/**
 * The entry of an index that serves the platform best; the first of equals. Never a silent fallback: E_NOT_FOUND lists
 * what there is. An index with one image that tells no platform gives that.
 */
export function choosePlatform(manifests: readonly Descriptor[], wanted: Platform, what: string): Descriptor {
  const images = manifests.filter((entry) => !isAttestation(entry));
  let best: Descriptor | undefined;
  let bestMatch = -1;
  for (const entry of images) {
    const match = entry.platform === undefined ? -1 : platformMatch(wanted, entry.platform);
    if (match > bestMatch) [best, bestMatch] = [entry, match];
  }
  if (best) return best;
  const [only, ...others] = images;
  if (only && others.length === 0 && only.platform === undefined) return only;
  const offered = images.map((entry) => (entry.platform ? formatPlatform(entry.platform) : 'unnamed'));
  throw new BldError('E_NOT_FOUND', `${what} has no image for ${formatPlatform(wanted)}`, {
    hint:
      offered.length === 0
        ? 'the index is empty'
        : `there is ${[...new Set(offered)].join(', ')}: choose with --platform`,
  });
}
