import type { Digest } from '../base/digest.ts';
import type { ContainerConfig, ImageConfig } from '../images/types.ts';

/** The image format that a commit writes when it is not told another. */
export type ImageFormat = 'oci' | 'docker';

/** How commands of the container run unless a `run` says otherwise: the flags that `from` was given. */
export interface RunDefaults {
  readonly volumes?: readonly string[];
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly securityOpt?: readonly string[];
  readonly devices?: readonly string[];
  readonly groupAdd?: readonly string[];
  readonly network?: string;
  readonly addHosts?: readonly string[];
  readonly dns?: readonly string[];
  readonly dnsSearch?: readonly string[];
  readonly dnsOptions?: readonly string[];
  readonly httpProxy?: boolean;
  readonly ulimits?: readonly string[];
  readonly memory?: number;
  readonly memorySwap?: number;
  readonly cpuPeriod?: number;
  readonly cpuQuota?: number;
  readonly cpuShares?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly cgroupParent?: string;
  /** Bytes. */
  readonly shmSize?: number;
  readonly ipc?: string;
  readonly pid?: string;
  readonly uts?: string;
  readonly cgroupns?: string;
  readonly isolation?: string;
}

/** What a container was made from. All null for `scratch`. */
export interface Base {
  readonly name: string | null;
  readonly id: Digest | null;
  readonly manifest: Digest | null;
  /** How many of the container's layers are the image's. */
  readonly layers: number;
  /** How many entries of the configuration's history are the image's. */
  readonly history: number;
}

/** A working container's record: plain JSON in the store, replaced, never changed in place. */
export interface ContainerState {
  readonly version: 1;
  readonly base: Base;
  /** The configuration that a commit writes; its history covers the layers so far, its diff_ids are set at commit. */
  readonly image: ImageConfig;
  readonly format: ImageFormat;
  readonly annotations: Readonly<Record<string, string>>;
  /** `created_by` and `comment` of the next commit's layer. */
  readonly createdBy?: string;
  readonly historyComment?: string;
  readonly run: RunDefaults;
}

export function containerConfig(state: ContainerState): ContainerConfig {
  return state.image.config ?? {};
}

/** `Env` as a map, in order. */
export function environmentOf(config: ContainerConfig): Map<string, string> {
  return new Map(
    (config.Env ?? []).map((item) => {
      const at = item.indexOf('=');
      return at < 0 ? [item, ''] : [item.slice(0, at), item.slice(at + 1)];
    }),
  );
}
