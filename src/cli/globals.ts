import { bool, csv, text, value } from './flag.ts';
import type { Flags, Values } from './spec.ts';
import { readChoice } from './values.ts';

const readLevel = readChoice('trace', 'debug', 'info', 'warn', 'warning', 'error', 'fatal', 'panic');

/** What Node is given may only be changed by who chooses Node. */
const PROFILE = 'let BLD_NODE name a script that starts Node with --cpu-prof or --heap-prof';
const NO_REGISTRIES = 'name the registry in full, and how it is spoken to by --tls-verify and --cert-dir';

/** Flags that every command knows, before its name or among its own. */
export const globalFlags = {
  root: text('directory of the store', { value: 'PATH', env: ['BLD_ROOT'] }),
  runroot: text('directory of what lives as long as the machine runs', {
    value: 'PATH',
    env: ['BLD_RUNROOT'],
  }),
  'log-level': value('least severe messages shown: debug, info, warn or error', readLevel, {
    value: 'LEVEL',
    fallback: 'warn',
    env: ['BLD_LOG_LEVEL'],
  }),
  'log-format': value('messages and errors as text or json', readChoice('text', 'json'), {
    value: 'FORMAT',
    fallback: 'text',
    env: ['BLD_LOG_FORMAT'],
  }),
  debug: bool('same as --log-level debug', { hidden: true }),
  'registries-conf': text('registries.conf to read', { value: 'PATH', unsupported: NO_REGISTRIES }),
  'registries-conf-dir': text('directory of registries.conf.d', {
    value: 'PATH',
    unsupported: NO_REGISTRIES,
  }),
  'short-name-alias-conf': text('file of short name aliases', { value: 'PATH', unsupported: NO_REGISTRIES }),
  'storage-driver': value(
    'how layers are stored: bld knows overlay',
    readChoice('overlay', 'vfs', 'btrfs', 'zfs'),
    {
      value: 'DRIVER',
      fallback: 'overlay',
      unsupported: 'bld chooses overlay or file trees by itself, see bld info',
    },
  ),
  'storage-opt': csv('storage driver option', {
    value: 'OPTION',
    unsupported: 'the store has no driver options, see bld info',
  }),
  imagestore: text('directory of a separate image store', {
    value: 'PATH',
    unsupported: 'images and containers share one store, see --root',
  }),
  'transient-store': bool('containers do not survive a reboot', {
    unsupported: 'the store is always durable',
  }),
  'cgroup-manager': value('who manages control groups', readChoice('cgroupfs', 'systemd'), {
    value: 'MANAGER',
    fallback: 'cgroupfs',
    unsupported: 'bld makes its control groups itself',
  }),
  'userns-uid-map': csv('default user id mapping', {
    value: 'CTR:HOST:N',
    unsupported: 'the mapping comes from /etc/subuid',
  }),
  'userns-gid-map': csv('default group id mapping', {
    value: 'CTR:HOST:N',
    unsupported: 'the mapping comes from /etc/subgid',
  }),
  'default-mounts-file': text('file of default mounts', {
    value: 'PATH',
    hidden: true,
    unsupported: 'mounts are given with --volume',
  }),
  'cpu-profile': text('file for a CPU profile', {
    value: 'PATH',
    hidden: true,
    unsupported: PROFILE,
  }),
  'memory-profile': text('file for a memory profile', {
    value: 'PATH',
    hidden: true,
    unsupported: PROFILE,
  }),
} satisfies Flags;

export type Globals = Values<typeof globalFlags>;

/** Known only before a command's name. */
export const rootFlags = {
  version: bool('print the version', { short: 'v' }),
} satisfies Flags;
