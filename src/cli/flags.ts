/**
 * Flags that several commands share, in the groups of Buildah's manual. A command takes a group by spreading it:
 * `flags: { ...registryFlags, quiet }`; `Values<typeof registryFlags>` is what its handler gets.
 */
import { parsePlatform } from '../images/platform.ts';
import { bool, csv, integer, list, text, tristate, value } from './flag.ts';
import type { Flags } from './spec.ts';
import {
  readAtLeast,
  readChoice,
  readCredentials,
  readDuration,
  readHost,
  readPullPolicy,
  readSeconds,
  readSize,
  readSizeOrUnlimited,
  readUlimit,
} from './values.ts';

const NO_ENCRYPTION = 'layers are neither encrypted nor decrypted';
const NO_SIGNING = 'sign the pushed digest with cosign or gpg';
const NO_POLICY = 'signature policies are not evaluated';

/** Checked here, read again by the builder, which keeps it as it was written. */
function checked(read: (text: string) => unknown): (text: string) => string {
  return (written) => {
    read(written);
    return written;
  };
}

export const quiet = (summary: string) => bool(summary, { short: 'q' });

export const addHistory = bool("add an entry for this operation to the image's history", {
  env: ['BLD_HISTORY', 'BUILDAH_HISTORY'],
});

/** The step cache of scripts: `run`, `copy` and `add`. */
export const cacheFlags = {
  cache: bool('replay the step when it was done before, keep it when not', { env: ['BLD_CACHE'] }),
  'require-cached': bool('fail when the step is not in the cache', { env: ['BLD_REQUIRE_CACHED'] }),
  explain: bool('say for a step that is not in the cache what differs from the last time', {
    env: ['BLD_EXPLAIN'],
  }),
} satisfies Flags;

/** Repeated tries of a transfer. */
export const retryFlags = {
  retry: value('number of times a failed transfer is tried again', readAtLeast(0), {
    value: 'N',
    fallback: 3,
  }),
  'retry-delay': value('time between tries, grown after each', readDuration, { value: 'DURATION' }),
} satisfies Flags;

/** How a registry's certificate is checked. */
export const tlsFlags = {
  'cert-dir': text('directory of certificates for the registry', { value: 'PATH' }),
  'tls-verify': tristate('require HTTPS and verify certificates (default true)'),
} satisfies Flags;

/** Who asks a registry, and how. */
export const registryFlags = {
  ...tlsFlags,
  ...retryFlags,
  authfile: text('file of credentials', { value: 'PATH', env: ['REGISTRY_AUTH_FILE'] }),
  creds: value('credentials for the registry', readCredentials, { value: 'USER[:PASSWORD]' }),
  'signature-policy': text('signature policy', { value: 'PATH', hidden: true, unsupported: NO_POLICY }),
  'blob-cache': text('directory of blobs', {
    value: 'PATH',
    hidden: true,
    unsupported: 'blobs are kept in the store as they came',
  }),
} satisfies Flags;

export const decryptionFlags = {
  'decryption-key': csv('key to decrypt the image', { value: 'KEY', unsupported: NO_ENCRYPTION }),
} satisfies Flags;

export const encryptionFlags = {
  'encrypt-layer': csv('layers to encrypt', { value: 'N', unsupported: NO_ENCRYPTION }),
  'encryption-key': csv('key to encrypt the image', { value: 'KEY', unsupported: NO_ENCRYPTION }),
} satisfies Flags;

export const signingFlags = {
  'sign-by': text('sign the image with a GPG key', { value: 'FINGERPRINT', unsupported: NO_SIGNING }),
} satisfies Flags;

/** Which image of a multi-platform one is meant. */
export const platformFlags = {
  arch: text("architecture instead of the machine's own", { value: 'ARCH', aliases: ['override-arch'] }),
  os: text('operating system instead of linux', { value: 'OS', aliases: ['override-os'] }),
  variant: text('variant of the architecture', { value: 'VARIANT' }),
  platform: csv('os/arch[/variant], instead of the three above', { value: 'PLATFORM' }, parsePlatform),
} satisfies Flags;

/** When a registry is asked for an image that the store may have. */
export const pullFlags = {
  pull: value('always, missing, never or newer (default missing; bare: always)', readPullPolicy, {
    value: 'POLICY',
    bare: 'always',
  }),
  'pull-always': bool('same as --pull=always', { hidden: true }),
  'pull-never': bool('same as --pull=never', { hidden: true }),
} satisfies Flags;

export const formatFlag = value('format of the manifest: oci or docker', readChoice('oci', 'docker'), {
  value: 'FORMAT',
  short: 'f',
  fallback: 'oci',
  env: ['BLD_FORMAT', 'BUILDAH_FORMAT'],
});

/** Limits of what a RUN may use. */
export const resourceFlags = {
  memory: value('memory limit, as in 512m', readSize, { value: 'SIZE', short: 'm' }),
  'memory-swap': value('limit of memory and swap together, -1 for none', readSizeOrUnlimited, {
    value: 'SIZE',
  }),
  'cpu-period': value('period of the CPU quota in microseconds', readAtLeast(0), { value: 'N' }),
  'cpu-quota': integer('CPU time in a period, in microseconds'),
  'cpu-shares': value('relative weight of CPU time', readAtLeast(0), { value: 'N', short: 'c' }),
  'cpuset-cpus': text('CPUs to run on, as in 0-3,5', { value: 'LIST' }),
  'cpuset-mems': text('memory nodes to use, as in 0,1', { value: 'LIST' }),
  'shm-size': value('size of /dev/shm (default 64m)', readSize, { value: 'SIZE' }),
  ulimit: csv('limit of a resource: type=soft[:hard]', { value: 'LIMIT' }, checked(readUlimit)),
  'cgroup-parent': text('control group that holds those of RUNs', { value: 'PATH' }),
} satisfies Flags;

/** What a RUN is allowed to do. */
export const securityFlags = {
  'cap-add': csv('add a capability', { value: 'CAP' }),
  'cap-drop': csv('drop a capability', { value: 'CAP' }),
  'security-opt': list('seccomp=PATH|unconfined, label=..., apparmor=...', { value: 'OPTION' }),
  device: list('device to provide: HOST[:CONTAINER[:rwm]]', { value: 'DEVICE' }),
  'group-add': csv('additional group of the process, or keep-groups', { value: 'GROUP' }),
  'cdi-config-dir': csv('directory of CDI devices', {
    value: 'PATH',
    hidden: true,
    unsupported: 'CDI devices are not known: name device files with --device',
  }),
} satisfies Flags;

export const networkFlag = text('none, host, private, ns:PATH, pasta[:OPTIONS] or slirp4netns[:OPTIONS]', {
  value: 'MODE',
  aliases: ['net'],
});

/** How a RUN reaches the network. */
export const networkFlags = {
  network: networkFlag,
  'add-host': csv('line of /etc/hosts: name:address', { value: 'HOST' }, checked(readHost)),
  dns: csv('name server, or none to leave /etc/resolv.conf alone', { value: 'ADDRESS' }),
  'dns-option': csv('option of the resolver', { value: 'OPTION' }),
  'dns-search': csv('domain to search names in', { value: 'DOMAIN' }),
  'http-proxy': bool('pass HTTP_PROXY and the like to RUNs', { fallback: true }),
} satisfies Flags;

const NO_MAPPING = 'the mapping comes from /etc/subuid and /etc/subgid, see bld info';

/** Namespaces of a RUN; `private`, `host` or a path. */
export const namespaceFlags = {
  ipc: text('private, host or the path of an IPC namespace', { value: 'MODE' }),
  pid: text('private, host or the path of a PID namespace', { value: 'MODE' }),
  uts: text('private, host or the path of a UTS namespace', { value: 'MODE' }),
  cgroupns: text('private or host', { value: 'MODE' }),
} satisfies Flags;

export const usernsFlags = {
  userns: value('user namespace of RUNs', (written) => written, {
    value: 'MODE',
    fallback: 'host',
    unsupported: 'RUNs share the user namespace that bld runs in, see bld info',
  }),
  'userns-uid-map': csv('user id mapping', { value: 'CTR:HOST:N', unsupported: NO_MAPPING }),
  'userns-gid-map': csv('group id mapping', { value: 'CTR:HOST:N', unsupported: NO_MAPPING }),
  'userns-uid-map-user': text('whose entries of /etc/subuid', { value: 'NAME', unsupported: NO_MAPPING }),
  'userns-gid-map-group': text('whose entries of /etc/subgid', { value: 'NAME', unsupported: NO_MAPPING }),
} satisfies Flags;

export const isolationFlags = {
  isolation: value(
    'accepted: oci, rootless and chroot all mean the sandbox of bld; none forbids RUNs',
    readChoice('default', 'native', 'oci', 'rootless', 'chroot', 'none'),
    { value: 'KIND', env: ['BLD_ISOLATION', 'BUILDAH_ISOLATION'] },
  ),
} satisfies Flags;

export const volumeFlags = {
  volume: list('mount a host directory: SOURCE:TARGET[:OPTIONS]', { value: 'VOLUME', short: 'v' }),
} satisfies Flags;

/** All that `from` (and a build) keeps for the RUNs to come. */
export const runDefaultFlags = {
  ...resourceFlags,
  ...securityFlags,
  ...networkFlags,
  ...namespaceFlags,
  ...usernsFlags,
  ...isolationFlags,
  ...volumeFlags,
} satisfies Flags;

const NO_SBOM = 'run a scanner over bld mount, or over the pushed image';

export const sbomFlags = {
  sbom: list('scan with a preset', { value: 'PRESET', unsupported: NO_SBOM }),
  'sbom-image-output': text('path of the scan in the image', { value: 'PATH', unsupported: NO_SBOM }),
  'sbom-image-purl-output': text('path of the scan in the image', { value: 'PATH', unsupported: NO_SBOM }),
  'sbom-merge-strategy': text('how scans are merged', { value: 'STRATEGY', unsupported: NO_SBOM }),
  'sbom-output': text('file of the scan', { value: 'PATH', unsupported: NO_SBOM }),
  'sbom-purl-output': text('file of the scan', { value: 'PATH', unsupported: NO_SBOM }),
  'sbom-scanner-command': list('command of the scanner', { value: 'COMMAND', unsupported: NO_SBOM }),
  'sbom-scanner-image': list('image of the scanner', { value: 'IMAGE', unsupported: NO_SBOM }),
} satisfies Flags;

/** Dates and marks that make an image the same, or not, at every build. */
export const timeFlags = {
  timestamp: value('date of the image and of all files in new layers', readSeconds, { value: 'SECONDS' }),
  'source-date-epoch': value('date of the image', readSeconds, {
    value: 'SECONDS',
    env: ['SOURCE_DATE_EPOCH'],
  }),
  'rewrite-timestamp': bool('no file in new layers is younger than --source-date-epoch'),
  'omit-history': bool('leave the history out of the image'),
  'identity-label': bool("label the image with bld's version"),
  'created-annotation': bool('annotate the manifest with the date of creation', { fallback: true }),
} satisfies Flags;

export const compressionFlags = {
  'disable-compression': tristate('leave new layers uncompressed', { short: 'D' }),
  'compression-format': value('gzip or zstd', readChoice('gzip', 'zstd', 'zstd:chunked'), {
    value: 'FORMAT',
  }),
  'compression-level': integer('effort of the compression'),
  'force-compression': bool('compress again what is compressed in another format'),
} satisfies Flags;
