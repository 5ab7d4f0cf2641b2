/** Go's types behind `bld inspect --format`: field names, their order, their JSON keys. */
import { mapOf, pointer, type StructType, slice, struct } from './template/types.ts';

const strings = slice('string');
const stringMap = mapOf('string');
const set = mapOf(struct('struct {}', {}));

const healthcheck = struct('docker.HealthConfig', {
  Test: strings,
  Interval: 'duration',
  Timeout: 'duration',
  StartPeriod: 'duration',
  StartInterval: 'duration',
  Retries: 'int',
});

const dockerConfig = struct('docker.Config', {
  Hostname: 'string',
  Domainname: 'string',
  User: 'string',
  AttachStdin: 'bool',
  AttachStdout: 'bool',
  AttachStderr: 'bool',
  ExposedPorts: set,
  Tty: 'bool',
  OpenStdin: 'bool',
  StdinOnce: 'bool',
  Env: strings,
  Cmd: strings,
  Healthcheck: pointer(healthcheck),
  ArgsEscaped: 'bool',
  Image: 'string',
  Volumes: set,
  WorkingDir: 'string',
  Entrypoint: strings,
  NetworkDisabled: 'bool',
  MacAddress: 'string',
  OnBuild: strings,
  Labels: stringMap,
  StopSignal: 'string',
  StopTimeout: pointer('int'),
  Shell: strings,
});

const rootfs = struct('v1.RootFS', { Type: ['type', 'string'], DiffIDs: ['diff_ids', strings] });

const ociHistory = struct('v1.History', {
  Created: ['created', pointer('time')],
  CreatedBy: ['created_by', 'string'],
  Author: ['author', 'string'],
  Comment: ['comment', 'string'],
  EmptyLayer: ['empty_layer', 'bool'],
});

const ociConfig = struct('v1.ImageConfig', {
  User: 'string',
  ExposedPorts: set,
  Env: strings,
  Entrypoint: strings,
  Cmd: strings,
  Volumes: set,
  WorkingDir: 'string',
  Labels: stringMap,
  StopSignal: 'string',
  ArgsEscaped: 'bool',
});

const platform = struct('v1.Platform', {
  Architecture: ['architecture', 'string'],
  OS: ['os', 'string'],
  OSVersion: ['os.version', 'string'],
  OSFeatures: ['os.features', strings],
  Variant: ['variant', 'string'],
});

const ociImage: StructType = {
  kind: 'struct',
  name: 'v1.Image',
  fields: [
    { name: 'Created', key: 'created', type: pointer('time') },
    { name: 'Author', key: 'author', type: 'string' },
    { name: 'Platform', type: platform, embedded: true },
    { name: 'Config', key: 'config', type: ociConfig },
    { name: 'RootFS', key: 'rootfs', type: rootfs },
    { name: 'History', key: 'history', type: slice(ociHistory) },
  ],
};

const dockerV1: StructType = struct('docker.V1Image', {
  ID: ['id', 'string'],
  Parent: ['parent', 'string'],
  Comment: ['comment', 'string'],
  Created: ['created', 'time'],
  Container: ['container', 'string'],
  ContainerConfig: ['container_config', dockerConfig],
  DockerVersion: ['docker_version', 'string'],
  Author: ['author', 'string'],
  Config: ['config', pointer(dockerConfig)],
  Architecture: ['architecture', 'string'],
  Variant: ['variant', 'string'],
  OS: ['os', 'string'],
  Size: 'int',
});

const dockerHistory = struct('docker.V2S2History', {
  Created: ['created', 'time'],
  Author: ['author', 'string'],
  CreatedBy: ['created_by', 'string'],
  Comment: ['comment', 'string'],
  EmptyLayer: ['empty_layer', 'bool'],
});

const dockerImage: StructType = {
  kind: 'struct',
  name: 'docker.V2Image',
  fields: [
    { name: 'V1Image', type: dockerV1, embedded: true },
    { name: 'Parent', key: 'parent', type: 'string' },
    { name: 'RootFS', key: 'rootfs', type: pointer(rootfs) },
    { name: 'History', key: 'history', type: slice(dockerHistory) },
    { name: 'OSVersion', key: 'os.version', type: 'string' },
    { name: 'OSFeatures', key: 'os.features', type: strings },
  ],
};

const idMap = struct('idtools.IDMap', { ContainerID: 'int', HostID: 'int', Size: 'int' });

const idMappingOptions = struct('define.IDMappingOptions', {
  HostUIDMapping: 'bool',
  HostGIDMapping: 'bool',
  UIDMap: slice(idMap),
  GIDMap: slice(idMap),
  AutoUserNs: 'bool',
  AutoUserNsOpts: struct('types.AutoUserNsOptions', {
    Size: 'int',
    InitialSize: 'int',
    PasswdFile: 'string',
    GroupFile: 'string',
    AdditionalUIDMappings: slice(idMap),
    AdditionalGIDMappings: slice(idMap),
  }),
});

const namespaceOption = struct('define.NamespaceOption', { Name: 'string', Host: 'bool', Path: 'string' });

/** The whole of what `inspect` shows. */
export const inspectType: StructType = struct('buildah.BuilderInfo', {
  Type: 'string',
  FromImage: 'string',
  FromImageID: 'string',
  FromImageDigest: 'string',
  GroupAdd: strings,
  Config: 'string',
  Manifest: 'string',
  Container: 'string',
  ContainerID: 'string',
  MountPoint: 'string',
  ProcessLabel: 'string',
  MountLabel: 'string',
  ImageAnnotations: stringMap,
  ImageCreatedBy: 'string',
  OCIv1: ociImage,
  Docker: dockerImage,
  DefaultMountsFilePath: 'string',
  Isolation: 'string',
  NamespaceOptions: slice(namespaceOption),
  Capabilities: strings,
  ConfigureNetwork: 'string',
  CNIPluginPath: 'string',
  CNIConfigDir: 'string',
  IDMappingOptions: idMappingOptions,
  History: slice(ociHistory),
  Devices: strings,
  DeviceSpecs: strings,
  CDIConfigDir: 'string',
});
