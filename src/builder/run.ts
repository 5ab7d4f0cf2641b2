import { closeSync, openSync } from 'node:fs';
import { BldError } from '../base/errors.ts';
import { currentDirectory } from '../base/fs.ts';
import { log } from '../base/log.ts';
import { ownerFileOf } from '../layers/owner-file.ts';
import type { Fd } from '../native/sys.ts';
import { parseCapabilities } from '../runtime/capabilities.ts';
import { hostsText } from '../runtime/hosts.ts';
import { resolvConf } from '../runtime/resolver.ts';
import { parseRlimit } from '../runtime/rlimits.ts';
import { runCommand } from '../runtime/sandbox.ts';
import type { NamespaceMode, Resources, RunMount, RunSpec } from '../runtime/spec.ts';
import { lookupUser } from '../runtime/users.ts';
import { type Container, read } from './container.ts';
import { inContainer } from './destination.ts';
import { parseNetwork } from './network.ts';
import type { Ownership } from './ownership.ts';
import { openRootfs } from './rootfs.ts';
import { environmentFor, proxies } from './run-environment.ts';
import { openDiscarding, openMounts } from './run-mounts.ts';
import { parseSecurity } from './security.ts';
import { containerConfig, environmentOf, type RunDefaults } from './state.ts';
import { type Inputs, type StepWords, step } from './step.ts';
import { makeWorkDirectory } from './work-directory.ts';

export interface RunOptions extends RunDefaults {
  /** On top of the image's; a null value takes a variable away. */
  readonly env?: Readonly<Record<string, string | null>> | undefined;
  /** `name[:group]` or `uid[:gid]`; the image's user when absent. */
  readonly user?: string | undefined;
  /** The image's when absent; made when missing. */
  readonly workingDir?: string | undefined;
  readonly hostname?: string | undefined;
  /** `type=…,target=…` as in a Dockerfile's RUN. */
  readonly mounts?: readonly string[] | undefined;
  /** Where relative paths of volumes start: the process's own directory. */
  readonly cwd?: string | undefined;
  /** Directories, made when missing, to which the command writes in vain. */
  readonly discard?: readonly string[] | undefined;
  readonly tty?: boolean | undefined;
  readonly noHosts?: boolean | undefined;
  readonly noHostname?: boolean | undefined;
  readonly stdio?: RunSpec['stdio'] | undefined;
  /** Exit codes that are no failure: 0. */
  readonly validExitCodes?: readonly number[] | undefined;
  readonly addHistory?: boolean | undefined;
  /** What else the command sees, opened for its time alone. */
  readonly attachments?: Attachments | undefined;
  readonly as?: StepWords | undefined;
}

/** Mounts and variables that come and go with one command; its key has `inputs` in their place. */
export interface Attachments {
  readonly inputs: () => Promise<Inputs> | Inputs;
  /** The same by the names of the layers that files come from; absent where none come from layers. */
  readonly references?: () => Promise<Inputs> | Inputs;
  /** What has to be closed after the command goes onto the stack. `cwd` is the command's directory. */
  readonly open: (command: {
    readonly cwd: string;
    readonly user: Ownership;
    /** The container's files, without any mount. */
    readonly root: Fd;
    readonly stack: AsyncDisposableStack;
  }) => Promise<{
    readonly mounts: readonly RunMount[];
    readonly env: Readonly<Record<string, string>>;
    readonly stdio?: RunSpec['stdio'];
  }>;
}

const DEFAULT_SHM = 64 * 1024 * 1024;

/** A list flag of `run` adds to what `from` was given; any other replaces it. */
function merged(defaults: RunDefaults, options: RunOptions): RunOptions {
  const all: Record<string, unknown> = { ...defaults };
  for (const [name, value] of Object.entries(options)) {
    const before = all[name];
    if (value === undefined) continue;
    all[name] =
      Array.isArray(value) && Array.isArray(before) && name !== 'stdio' ? [...before, ...value] : value;
  }
  return all as RunOptions;
}

/**
 * Runs a command in the container with its environment, user and working directory; gives its exit code, which is one
 * of `validExitCodes`. E_RUN with the command's own code otherwise.
 */
export async function run(
  container: Container,
  argv: readonly string[],
  given: RunOptions = {},
): Promise<number> {
  if (argv.length === 0) throw new BldError('E_USAGE', 'command must be specified');
  if (given.isolation === 'none') {
    throw new BldError('E_USAGE', 'with --isolation none no command is run');
  }
  const { state } = read(container);
  const options = merged(state.run, given);
  const config = containerConfig(state);
  const env = environmentFor(environmentOf(config), options.env);
  const cwd = inContainer(options.workingDir ?? '.', config.WorkingDir);
  const user = options.user ?? config.User ?? '';
  const hostname = options.hostname ?? config.Hostname ?? container.id.slice(0, 12);
  const job: Job = { container, argv, options, env, cwd, user, hostname, domainname: config.Domainname };
  return step<number>(container, {
    site: `run ${argv.join(' ')}`,
    inputs: async () => inputsOf(job, (await options.attachments?.inputs()) ?? []),
    references: async () => {
      const attached = await options.attachments?.references?.();
      return attached && inputsOf(job, attached);
    },
    createdBy: () =>
      argv[0] === '/bin/sh' && argv[1] === '-c' ? argv.join(' ') : `/bin/sh -c ${argv.join(' ')}`,
    addHistory: options.addHistory,
    as: options.as,
    work: () => execute(job),
  });
}

interface Job {
  readonly container: Container;
  readonly argv: readonly string[];
  readonly options: RunOptions;
  readonly env: ReadonlyMap<string, string>;
  readonly cwd: string;
  readonly user: string;
  readonly hostname: string;
  readonly domainname: string | undefined;
}

function inputsOf({ argv, options, env, cwd, user }: Job, attached: Inputs): Inputs {
  const {
    stdio: _,
    env: __,
    addHistory: ___,
    cwd: ____,
    tty: _____,
    attachments: _______,
    as: ______,
    ...rest
  } = options;
  return [
    ['operation', 'RUN'],
    ['command', JSON.stringify(argv)],
    ['user', user],
    ['working directory', cwd],
    ...[...env].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => [`env ${name}`, value] as const),
    ['options', JSON.stringify(rest)],
    ...attached,
  ];
}

function namespace(text: string | undefined, what: string): NamespaceMode {
  if (text === undefined || text === '' || text === 'private' || text === 'container')
    return { kind: 'private' };
  if (text === 'host') return { kind: 'host' };
  const path = text.startsWith('ns:') ? text.slice(3) : text;
  if (path.startsWith('/')) return { kind: 'path', path };
  throw new BldError('E_USAGE', `invalid ${what} namespace ${JSON.stringify(text)}`, {
    hint: 'write private, host or the path of a namespace',
  });
}

function resourcesOf(options: RunOptions): Resources {
  const { memory, memorySwap, cpuPeriod, cpuQuota, cpuShares, cpusetCpus, cpusetMems, cgroupParent } =
    options;
  return Object.fromEntries(
    Object.entries({
      memory,
      memorySwap,
      cpuPeriod,
      cpuQuota,
      cpuShares,
      cpusetCpus,
      cpusetMems,
      cgroupParent,
    }).filter(([, value]) => value !== undefined),
  );
}

function device(text: string): RunSpec['devices'][number] {
  const [source = '', target, permissions] = text.split(':');
  const onlyPermissions = target !== undefined && /^[rwm]+$/.test(target);
  return {
    source,
    target: target === undefined || onlyPermissions ? source : target,
    permissions: permissions ?? (onlyPermissions ? target : 'rwm'),
  };
}

async function execute(job: Job): Promise<number> {
  const { container, argv, options, cwd, hostname } = job;
  const { engine } = container;
  using rootfs = await openRootfs(container);
  const user = lookupUser(rootfs.fd, job.user);
  await using mounts = await openMounts(container, {
    volumes: options.volumes ?? [],
    mounts: options.mounts ?? [],
    cwd: options.cwd ?? currentDirectory(),
    root: rootfs.fd,
    user,
  });
  await using stack = new AsyncDisposableStack();
  const attached = await options.attachments?.open({ cwd, user, root: rootfs.fd, stack });
  const asked = [...mounts.mounts, ...(attached?.mounts ?? [])];
  const isMounted = asked.some(({ target }) => `${cwd}/`.startsWith(`${target}/`));
  if (!isMounted) makeWorkDirectory(container, rootfs.fd, { path: cwd, owner: () => user });
  const volumes = await openDiscarding(options.discard ?? [], { container, root: rootfs.fd, stack });
  const env = new Map([
    ...proxies(options.httpProxy ?? true),
    ...job.env,
    ...Object.entries(attached?.env ?? {}),
  ]);
  if (!env.get('HOME')) env.set('HOME', user.home);
  if (options.tty && !env.has('TERM')) env.set('TERM', process.env['TERM'] ?? 'xterm');
  const network = parseNetwork(options.network);
  const security = parseSecurity(options.securityOpt ?? []);
  const hosts = { addHosts: options.addHosts ?? [], hostname };
  const dns = {
    servers: options.dns ?? [],
    options: options.dnsOptions ?? [],
    search: options.dnsSearch ?? [],
  };
  const ownersLog =
    engine.store.kind.owners === 'xattr'
      ? openSync(ownerFileOf(engine.store.containers.directories(container.id).upper), 'a', 0o600)
      : undefined;
  try {
    const result = await runCommand({
      rootfs: rootfs.fd,
      argv,
      env: [...env].map(([name, value]) => `${name}=${value}`),
      cwd,
      uid: user.uid,
      gid: user.gid,
      groups: extraGroups([user.gid, ...user.groups], options.groupAdd ?? []),
      hostname,
      ...(job.domainname && { domainname: job.domainname }),
      mounts: [...volumes, ...asked],
      files: {
        ...(!options.noHosts && { hosts: hostsText(hosts) }),
        ...(network.kind !== 'none' &&
          !options.dns?.includes('none') && { resolvConf: resolvConf(dns, network.kind !== 'host') }),
        ...(!options.noHostname && { hostname: `${hostname}\n` }),
      },
      capabilities: parseCapabilities(options.capAdd ?? [], options.capDrop ?? []),
      ...security,
      devices: (options.devices ?? []).map(device),
      rlimits: (options.ulimits ?? []).map(parseRlimit),
      resources: resourcesOf(options),
      shmSize: options.shmSize ?? DEFAULT_SHM,
      umask: 0o022,
      network,
      pid: namespace(options.pid, 'pid'),
      ipc: namespace(options.ipc, 'ipc'),
      uts: namespace(options.uts, 'uts'),
      cgroup: namespace(options.cgroupns, 'cgroup'),
      tty: options.tty ?? false,
      stdio: attached?.stdio ?? options.stdio ?? ['inherit', 'inherit', 'inherit'],
      ...(ownersLog !== undefined && { ownersLog }),
      ...(engine.signal && { signal: engine.signal }),
    });
    if (result.remark) log.warn(result.remark);
    const { exitCode } = result;
    if ((options.validExitCodes ?? [0]).includes(exitCode)) return exitCode;
    throw new BldError('E_RUN', `while running runtime: exit status ${exitCode}`, {
      exitCode,
      ...(result.remark && { hint: result.remark }),
    });
  } finally {
    if (ownersLog !== undefined) closeSync(ownersLog);
  }
}

function extraGroups(own: readonly number[], added: readonly string[]): number[] {
  const numbers = added
    .filter((text) => text !== 'keep-groups')
    .map((text) => {
      if (/^\d+$/.test(text)) return Number(text);
      throw new BldError('E_USAGE', `invalid group ${JSON.stringify(text)}`, {
        hint: '--group-add takes a number',
      });
    });
  return [...new Set([...own, ...numbers])];
}
