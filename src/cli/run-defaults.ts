import type { RunDefaults } from '../builder/state.ts';
import type { runDefaultFlags } from './flags.ts';
import type { Values } from './spec.ts';

const given = <T>(list: readonly T[]): readonly T[] | undefined => (list.length > 0 ? list : undefined);

/** What `from` keeps for the commands to come; flags that were not given are left out. */
export function runDefaults(options: Values<typeof runDefaultFlags>): RunDefaults {
  const all = {
    volumes: given(options.volume),
    capAdd: given(options.capAdd),
    capDrop: given(options.capDrop),
    securityOpt: given(options.securityOpt),
    devices: given(options.device),
    groupAdd: given(options.groupAdd),
    network: options.network,
    addHosts: given(options.addHost),
    dns: given(options.dns),
    dnsSearch: given(options.dnsSearch),
    dnsOptions: given(options.dnsOption),
    httpProxy: options.httpProxy ? undefined : false,
    ulimits: given(options.ulimit as readonly string[]),
    memory: options.memory,
    memorySwap: options.memorySwap,
    cpuPeriod: options.cpuPeriod,
    cpuQuota: options.cpuQuota,
    cpuShares: options.cpuShares,
    cpusetCpus: options.cpusetCpus,
    cpusetMems: options.cpusetMems,
    cgroupParent: options.cgroupParent,
    shmSize: options.shmSize,
    ipc: options.ipc,
    pid: options.pid,
    uts: options.uts,
    cgroupns: options.cgroupns,
    isolation: options.isolation,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
