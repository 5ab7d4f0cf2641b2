/** What an image is made of, in words that can be compared and kept: its settings, its history, its files. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { entries, type ValidEntry } from './validate.ts';

/** Path → `d 0755 0:0`, `f 0644 0:0 "text"`, `l 0:0 -> target`, `c 0666 0:0 1,3`. */
export type Files = Readonly<Record<string, string>>;

export interface Summary {
  /** What is set, of the image's settings. */
  readonly config: Readonly<Record<string, unknown>>;
  /** `created_by` of the steps. Which of them make a layer is no matter: what changes nothing needs none. */
  readonly history: readonly string[];
  /** What differs from the base: `absent` for what is gone. */
  readonly files: Files;
}

export interface Image {
  // biome-ignore lint/suspicious/noExplicitAny: documents are looked at freely by tests
  readonly config: any;
  readonly layers: readonly (readonly ValidEntry[])[];
}

/** The one image of an archive that `docker save` wrote. */
export function readDockerArchive(file: string): Image {
  const members = new Map<string, ValidEntry>();
  for (const entry of entries(readFileSync(file))) members.set(entry.name, entry);
  const bytesOf = (name: string): Buffer => {
    const entry = members.get(name);
    if (!entry) throw new Error(`${file} has no ${name}`);
    return entry.type === '2' ? bytesOf(posix.join(posix.dirname(name), entry.link)) : entry.data;
  };
  const [manifest] = JSON.parse(bytesOf('manifest.json').toString()) as [
    { Config: string; Layers: string[] },
  ];
  const layers = manifest.Layers.map((name) => {
    const bytes = bytesOf(name);
    return [...entries(bytes[0] === 0x1f ? gunzipSync(bytes) : bytes)];
  });
  return { config: JSON.parse(bytesOf(manifest.Config).toString()), layers };
}

type Tree = Map<string, ValidEntry>;

/** All layers as one tree. */
export function flatten(layers: Image['layers']): Tree {
  const tree: Tree = new Map();
  for (const layer of layers) {
    const own = new Set<string>();
    for (const entry of layer) {
      const path = posix.join('/', entry.name).replace(/(.)\/$/, '$1');
      const name = posix.basename(path);
      const parent = posix.dirname(path);
      if (name === '.wh..wh..opq') clear(tree, parent, own);
      else if (name.startsWith('.wh.')) remove(tree, posix.join(parent, name.slice(4)));
      else {
        if (tree.get(path)?.type === '5' && entry.type !== '5') remove(tree, path);
        tree.set(path, entry.type === '1' ? twin(tree, entry) : entry);
        own.add(path);
      }
    }
  }
  tree.delete('/');
  return tree;
}

function remove(tree: Tree, path: string): void {
  tree.delete(path);
  clear(tree, path, new Set());
}

function clear(tree: Tree, path: string, kept: ReadonlySet<string>): void {
  for (const key of [...tree.keys()]) if (key.startsWith(`${path}/`) && !kept.has(key)) tree.delete(key);
}

function twin(tree: Tree, entry: ValidEntry): ValidEntry {
  const target = tree.get(posix.join('/', entry.link));
  if (!target) throw new Error(`${entry.name} is a link to ${entry.link}, which is not there`);
  return target;
}

/** The tree in words; with the times of some paths. */
export function filesOf(image: Image, times: readonly string[] = []): Files {
  const tree = [...flatten(image.layers)].sort(([one], [two]) => (one < two ? -1 : 1));
  return Object.fromEntries(
    tree.map(([path, entry]) => [
      path,
      `${described(entry)}${times.includes(path) ? ` @${entry.mtime}` : ''}`,
    ]),
  );
}

function described(entry: ValidEntry): string {
  const owner = `${entry.uid}:${entry.gid}`;
  const mode = entry.mode & 0o7777; // old archives have the type in it, too
  const meta = `${mode.toString(8).padStart(4, '0')} ${owner}`;
  const attributes = [...entry.xattrs].map(([name, value]) => ` ${name}=${value}`).join('');
  switch (entry.type) {
    case '2':
      return `l ${owner} -> ${entry.link}${attributes}`;
    case '3':
      return `c ${meta} ${entry.device}${attributes}`;
    case '4':
      return `b ${meta} ${entry.device}${attributes}`;
    case '5':
      return `d ${meta}${attributes}`;
    case '6':
      return `p ${meta}${attributes}`;
    default:
      return `f ${meta} ${content(entry.data)}${attributes}`;
  }
}

/** Small texts as they are, for people to read. */
function content(data: Buffer): string {
  const text = data.toString();
  if (data.length <= 400 && Buffer.from(text).equals(data)) return JSON.stringify(text);
  return `${data.length} bytes sha256:${createHash('sha256').update(data).digest('hex')}`;
}

const SETTINGS = [
  'Env',
  'Cmd',
  'Entrypoint',
  'Labels',
  'User',
  'WorkingDir',
  'ExposedPorts',
  'Volumes',
  'StopSignal',
  'Healthcheck',
  'Shell',
  'OnBuild',
];

/** What is compared of an image; `base` are the files of the image that it began with. */
export function summarise(image: Image, base: Files, times: readonly string[]): Summary {
  const { config } = image;
  const settings = Object.fromEntries(SETTINGS.map((name) => [name, config.config?.[name]]));
  const all = { author: config.author, os: config.os, ...settings };
  const isSet = (value: unknown) =>
    value !== undefined &&
    value !== null &&
    value !== '' &&
    (typeof value !== 'object' || Object.keys(value).length > 0);
  const steps = ((config.history ?? []) as History[]).filter(
    ({ comment }) => comment === 'buildkit.dockerfile.v0',
  );
  const files = filesOf(image, times);
  const changed = Object.entries(files).filter(([path, text]) => base[path] !== text);
  const gone = Object.keys(base).filter((path) => !(path in files));
  return {
    config: Object.fromEntries(Object.entries(all).filter(([, value]) => isSet(value))),
    history: steps.map((step) => step.created_by),
    files: Object.fromEntries([...changed, ...gone.map((path) => [path, 'absent'] as const)]),
  };
}

interface History {
  readonly created_by: string;
  readonly comment?: string;
}
