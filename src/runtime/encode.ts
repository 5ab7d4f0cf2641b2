import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { environment } from '../native/environment.ts';
import { type Fd, sys } from '../native/sys.ts';
import { capabilityMask } from './capabilities.ts';
import { emulation } from './emulation.ts';
import { rlimitNumber, rlimitValue } from './rlimits.ts';
import { seccompFilters } from './seccomp.ts';
import type { NamespaceMode, RunMount, RunSpec } from './spec.ts';
import { Wire } from './wire.ts';

function putNamespace(wire: Wire, kind: string, mode: NamespaceMode): void {
  if (mode.kind === 'private') wire.put('new', kind);
  if (mode.kind === 'path') wire.put('join', mode.path);
}

function putNamespaces(wire: Wire, spec: RunSpec): void {
  putNamespace(wire, 'pid', spec.pid);
  putNamespace(wire, 'ipc', spec.ipc);
  putNamespace(wire, 'uts', spec.uts);
  putNamespace(wire, 'cgroup', spec.cgroup);
  const { network } = spec;
  if (network.kind === 'path') wire.put('join', network.path);
  if (network.kind === 'none' || network.kind === 'private') wire.put('new', 'net');
  wire.flag('waitForNetwork', network.kind === 'private');
}

/** The overlay of a `:O` bind, made here: the helper knows detached mounts alone. */
function mountScratch(mount: Extract<RunMount, { kind: 'overlay' }>): Fd {
  const [upper, work] = [join(mount.scratch, 'upper'), join(mount.scratch, 'work')];
  for (const path of [upper, work]) mkdirSync(path, { recursive: true });
  return sys().mountOverlay({ lower: [mount.source], upper, work, userxattr: environment().userxattr });
}

function putMount(wire: Wire, mount: RunMount, opened: Fd[]): void {
  wire.put('mount.target', mount.target);
  if (mount.kind === 'overlay') {
    const fd = mountScratch(mount);
    opened.push(fd);
    wire.descriptor('mount.fd', fd);
    return;
  }
  if (mount.kind === 'secret') {
    putSecret(wire, mount);
    return;
  }
  wire.flag('mount.readonly', mount.readonly);
  for (const option of mount.options ?? []) wire.flag(`mount.${option}`, true);
  if (mount.kind === 'tmpfs') {
    wire.put('mount.tmpfs');
    wire.optional('mount.size', mount.size);
    wire.optional('mount.mode', mount.mode?.toString(8));
    return;
  }
  wire.flag('mount.recursive', mount.recursive);
  wire.optional('mount.propagation', mount.propagation);
  if (typeof mount.source === 'number') wire.descriptor('mount.fd', mount.source);
  else wire.put('mount.source', mount.source);
}

function putSecret(wire: Wire, { content, uid, gid, mode }: Extract<RunMount, { kind: 'secret' }>): void {
  wire.put('mount.text', content);
  wire.put('mount.secret');
  wire.put('mount.readonly');
  wire.put('mount.uid', uid);
  wire.put('mount.gid', gid);
  wire.put('mount.mode', mode.toString(8));
}

const FILES = [
  ['/etc/hosts', 'hosts'],
  ['/etc/resolv.conf', 'resolvConf'],
  ['/etc/hostname', 'hostname'],
] as const;

/** Outer mount points first: what is mounted later lies on top. */
function putMounts(wire: Wire, spec: RunSpec, opened: Fd[]): void {
  const depth = (path: string) => path.split('/').filter((part) => part !== '' && part !== '.').length;
  const list: { readonly depth: number; put(): void }[] = [];
  for (const [target, name] of FILES) {
    const text = spec.files[name];
    if (text === undefined || spec.mounts.some((mount) => mount.target === target)) continue;
    const put = () => {
      wire.put('mount.target', target);
      wire.put('mount.text', text);
    };
    list.push({ depth: depth(target), put });
  }
  for (const mount of spec.mounts)
    list.push({ depth: depth(mount.target), put: () => putMount(wire, mount, opened) });
  for (const device of spec.devices) {
    const mount: RunMount = {
      kind: 'bind',
      source: device.source,
      target: device.target,
      readonly: !device.permissions.includes('w'),
      recursive: false,
    };
    list.push({ depth: depth(device.target), put: () => putMount(wire, mount, opened) });
  }
  for (const entry of list.sort((a, b) => a.depth - b.depth)) entry.put();
}

function putEmulation(wire: Wire): void {
  const { notify, instead, calls } = emulation();
  wire.put('emulate');
  wire.put('notifyFilter', notify);
  wire.put('insteadFilter', instead);
  for (const call of calls) wire.put('emulated', call);
}

function putIdentity(wire: Wire, spec: RunSpec): void {
  wire.put('uid', spec.uid);
  wire.put('gid', spec.gid);
  for (const group of spec.groups) wire.put('group', group);
  wire.put('capabilities', capabilityMask(spec.capabilities));
  wire.flag('noNewPrivileges', spec.noNewPrivileges);
  const isEmulated = environment().owners === 'xattr'; // then a device is a record, whichever it is
  if (isEmulated) putEmulation(wire);
  for (const filter of seccompFilters(spec.seccomp, spec.capabilities, isEmulated ? 'any' : 'harmless')) {
    wire.put('filter', filter);
  }
  for (const limit of spec.rlimits) {
    wire.put('rlimit', rlimitNumber(limit.name));
    wire.put('rlimit.soft', rlimitValue(limit.soft));
    wire.put('rlimit.hard', rlimitValue(limit.hard));
  }
}

/**
 * The message that tells the helper to run `spec`. `opened` gets the descriptors that were made for it: close them
 * when the helper has ended.
 */
export function encode(spec: RunSpec, cgroups: readonly string[], opened: Fd[]): Wire {
  const wire = new Wire();
  wire.descriptor('rootfs', spec.rootfs);
  if (spec.ownersLog !== undefined) wire.descriptor('ownersLog', spec.ownersLog);
  for (const word of spec.argv) wire.put('argv', word);
  for (const entry of spec.env) wire.put('env', entry);
  wire.put('cwd', spec.cwd);
  wire.put('hostname', spec.hostname);
  wire.optional('domainname', spec.domainname);
  wire.put('shmSize', spec.shmSize);
  wire.put('umask', spec.umask);
  wire.optional('oomScoreAdj', spec.oomScoreAdj);
  wire.flag('masked', spec.masked === 'default');
  wire.flag('tty', spec.tty);
  wire.flag('keepMountPoints', spec.keepMountPoints);
  putIdentity(wire, spec);
  putNamespaces(wire, spec);
  putMounts(wire, spec, opened);
  for (const directory of cgroups) wire.put('cgroup', directory);
  return wire;
}
