/** `buildah inspect`'s document, for containers and images: pure data in, JSON out. */
import type { ContainerState } from '../builder/state.ts';
import type { ContainerConfig, History, ImageConfig } from '../images/types.ts';
import type { ContainerRecord } from '../store/types.ts';

type Json = Readonly<Record<string, unknown>>;

/** What both kinds have of the image. */
export interface ImageFacts {
  readonly config: ImageConfig;
  /** The documents as they are stored; empty where there is none. */
  readonly rawConfig: string;
  readonly rawManifest: string;
  readonly name: string;
  /** Hexadecimal; empty for `scratch`. */
  readonly id: string;
  readonly digest: string;
  readonly annotations: Readonly<Record<string, string>> | null;
}

export interface ContainerFacts {
  readonly record: ContainerRecord;
  readonly state: ContainerState;
  /** Where it is mounted; empty when it is not. */
  readonly mountPoint: string;
  /** `CAP_…` names that its commands have. */
  readonly capabilities: readonly string[];
}

function sorted<T>(map: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Only what says something, as Go's `omitempty` has it. */
function compact(fields: Json): Json {
  const isEmpty = (value: unknown) =>
    value === undefined ||
    value === null ||
    value === '' ||
    value === false ||
    (Array.isArray(value) && value.length === 0) ||
    (typeof value === 'object' && Object.keys(value).length === 0);
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => !isEmpty(value)));
}

function ociSettings(config: ContainerConfig): Json {
  return compact({
    User: config.User,
    ExposedPorts: config.ExposedPorts && sorted(config.ExposedPorts),
    Env: config.Env,
    Entrypoint: config.Entrypoint,
    Cmd: config.Cmd,
    Volumes: config.Volumes && sorted(config.Volumes),
    WorkingDir: config.WorkingDir,
    Labels: config.Labels && sorted(config.Labels),
    StopSignal: config.StopSignal,
    ArgsEscaped: config.ArgsEscaped,
  });
}

function dockerSettings(config: ContainerConfig): Json {
  return {
    Hostname: config.Hostname ?? '',
    Domainname: config.Domainname ?? '',
    User: config.User ?? '',
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    ...(config.ExposedPorts && { ExposedPorts: sorted(config.ExposedPorts) }),
    Tty: false,
    OpenStdin: false,
    StdinOnce: false,
    Env: config.Env ?? null,
    Cmd: config.Cmd ?? null,
    ...(config.Healthcheck && { Healthcheck: config.Healthcheck }),
    ...(config.ArgsEscaped && { ArgsEscaped: true }),
    Image: '',
    Volumes: config.Volumes ? sorted(config.Volumes) : null,
    WorkingDir: config.WorkingDir ?? '',
    Entrypoint: config.Entrypoint ?? null,
    OnBuild: config.OnBuild ?? null,
    Labels: config.Labels ? sorted(config.Labels) : null,
    ...compact({ StopSignal: config.StopSignal, StopTimeout: config.StopTimeout, Shell: config.Shell }),
  };
}

function historyOf(history: readonly History[]): readonly Json[] {
  return history.map((entry) =>
    compact({
      created: entry.created,
      created_by: entry.created_by,
      author: entry.author,
      comment: entry.comment,
      empty_layer: entry.empty_layer,
    }),
  );
}

function ociImage(config: ImageConfig): Json {
  return {
    ...compact({ created: config.created, author: config.author }),
    architecture: config.architecture,
    os: config.os,
    ...compact({
      'os.version': config['os.version'],
      'os.features': config['os.features'],
      variant: config.variant,
    }),
    config: ociSettings(config.config ?? {}),
    rootfs: { type: config.rootfs.type, diff_ids: config.rootfs.diff_ids },
    ...compact({ history: historyOf(config.history ?? []) }),
  };
}

function dockerImage(config: ImageConfig): Json {
  const settings = dockerSettings(config.config ?? {});
  return {
    ...compact({ comment: 'comment' in config ? config.comment : undefined }),
    created: config.created ?? '0001-01-01T00:00:00Z',
    container_config: settings,
    ...compact({ author: config.author }),
    config: settings,
    architecture: config.architecture,
    ...compact({ variant: config.variant }),
    os: config.os,
    rootfs: { type: config.rootfs.type, diff_ids: config.rootfs.diff_ids },
    ...compact({
      history: historyOf(config.history ?? []),
      'os.version': config['os.version'],
      'os.features': config['os.features'],
    }),
  };
}

function namespaceOptions(run: ContainerState['run']): readonly Json[] {
  const option = (name: string, mode: string | undefined, hostByDefault = false) => ({
    Name: name,
    Host: mode === undefined ? hostByDefault : mode === 'host',
    Path: mode?.includes('/') ? mode.replace(/^(?:ns|path):/, '') : '',
  });
  return [
    option('cgroup', run.cgroupns, true),
    option('ipc', run.ipc),
    option('mount', undefined),
    option('network', run.network),
    option('pid', run.pid),
    option('user', undefined, true),
    option('uts', run.uts),
  ];
}

/** The document. Without a container it is an image's. */
export function inspection(image: ImageFacts, container?: ContainerFacts): Json {
  const { config } = image;
  const run = container?.state.run ?? {};
  return {
    Type: 'buildah 0.0.1',
    FromImage: image.name,
    FromImageID: image.id,
    FromImageDigest: image.digest,
    GroupAdd: run.groupAdd?.length ? run.groupAdd : null,
    Config: image.rawConfig,
    Manifest: image.rawManifest,
    Container: container?.record.name ?? '',
    ContainerID: container?.record.id ?? '',
    MountPoint: container?.mountPoint ?? '',
    ProcessLabel: '',
    MountLabel: '',
    ImageAnnotations: image.annotations && sorted(image.annotations),
    ImageCreatedBy: container?.state.createdBy ?? '',
    OCIv1: ociImage(config),
    Docker: dockerImage(config),
    DefaultMountsFilePath: '',
    Isolation: run.isolation && run.isolation !== 'default' ? run.isolation : 'oci',
    NamespaceOptions: namespaceOptions(run),
    Capabilities: container ? container.capabilities : null,
    ConfigureNetwork: run.network === 'none' ? 'NetworkDisabled' : 'NetworkDefault',
    CNIPluginPath: '',
    CNIConfigDir: '',
    IDMappingOptions: {
      HostUIDMapping: true,
      HostGIDMapping: true,
      UIDMap: [],
      GIDMap: [],
      AutoUserNs: false,
      AutoUserNsOpts: {
        Size: 0,
        InitialSize: 0,
        PasswdFile: '',
        GroupFile: '',
        AdditionalUIDMappings: null,
        AdditionalGIDMappings: null,
      },
    },
    History: historyOf(config.history ?? []),
    Devices: null,
    DeviceSpecs: container ? (run.devices ?? []) : null,
    CDIConfigDir: '',
  };
}
