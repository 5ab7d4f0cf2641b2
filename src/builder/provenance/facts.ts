import { randomUUID } from 'node:crypto';
import { basename } from 'node:path';
import { algorithmOf, type Digest, hexOf } from '../../base/digest.ts';
import { withoutLogins } from '../../base/logins.ts';
import { platformOf } from '../../images/config.ts';
import { formatPlatform, hostPlatform } from '../../images/platform.ts';
import { imageConfig, imageData } from '../../images/record.ts';
import { isImageId, parseReference } from '../../images/reference.ts';
import { redactText } from '../../registry/redact.ts';
import type { Store } from '../../store/types.ts';
import type { Job } from '../build/job.ts';
import { now } from '../clock.ts';
import { openMasker } from '../mask.ts';
import type { Material } from '../material.ts';
import { imagePurl, layoutPurl } from './purl.ts';
import type { Facts, Resource, StepFact } from './types.ts';

/** What is known of a build whose stages are done. With a given date it tells no time of its own: it is the same every time. */
export function factsOf(job: Job): Facts {
  const { options, plan, source, engine } = job;
  const { timestamp, sourceDateEpoch } = options.commit ?? {};
  const seconds = timestamp ?? sourceDateEpoch;
  const plain = plainOf(job);
  const resource = (material: Material) => resourceOf(engine.store, material);
  const { name, text, remote } = source.dockerfile;
  return {
    entryPoint: name.startsWith('/') ? basename(name) : name,
    ...(remote && { source: resource(remote) }),
    dockerfile: plain(text),
    args: argsOf(job, plain),
    isWhole: (options.mounts ?? []).length + (options.run?.volumes ?? []).length === 0,
    secrets: [...(options.secrets?.keys() ?? [])].sort(),
    agents: [...(options.ssh?.keys() ?? [])].sort(),
    locals: localsOf(job),
    materials: distinct([...source.materials, ...job.materials].map(resource)),
    platform: formatPlatform(hostPlatform()),
    started: seconds === undefined ? job.started : now(seconds),
    finished: now(seconds),
    ...(seconds === undefined && { invocation: randomUUID() }),
    steps: plan.order
      .flatMap(({ index }) => stepsOf(job, index, plain))
      // files of steps have times of their own, whatever date the image gets
      .map(({ layer, ...step }, at) => ({
        id: `step${at}`,
        ...step,
        ...(seconds === undefined && { layer }),
      })),
  };
}

/** The text without the build's secrets, and without logins in addresses. */
function plainOf({ vault }: Job): (text: string) => string {
  return (text) => {
    const masker = openMasker(vault.needles());
    return withoutLogins(Buffer.concat([masker.push(Buffer.from(text)), masker.end()]).toString());
  };
}

function argsOf({ options }: Job, plain: (text: string) => string): Record<string, string> {
  const { target, from, buildArgs = new Map<string, string>(), labels = {}, env = {} } = options;
  const entries = [
    ...(target === undefined || target === '' ? [] : [['target', target] as const]),
    ...(from === undefined ? [] : [['from', from] as const]),
    ...[...buildArgs].map(([name, value]) => [`build-arg:${name}`, plain(value)] as const),
    ...Object.entries(labels).map(([name, value]) => [`label:${name}`, plain(value)] as const),
    ...Object.entries(env).map(([name, value]) => [`env:${name}`, plain(value)] as const),
    ...[...(options.contexts ?? [])].map(
      ([name, value]) => [`context:${name}`, contextText(name, value)] as const,
    ),
  ];
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Where directories of this machine lie is nobody's business. */
function contextText(name: string, value: string): string {
  if (isDirectory(value)) return `local:${name}`;
  return /^oci-layout:/.test(value) ? `oci-layout:${name}` : withoutLogins(redactText(value));
}

function isDirectory(value: string): boolean {
  return !/^(?:[a-z-]+:|\w[\w.-]*@|github\.com\/)/i.test(value);
}

function localsOf({ options, source }: Job): string[] {
  const named = [...(options.contexts ?? [])].filter(([, value]) => isDirectory(value));
  return [
    ...(source.remote ? [] : ['context']),
    ...(source.dockerfile.remote ? [] : ['dockerfile']),
    ...named.map(([name]) => name).sort(),
  ];
}

/** Each once, in an order that does not depend on which stage was quicker. */
function distinct(resources: readonly Resource[]): Resource[] {
  const all = new Map(resources.map((one) => [JSON.stringify(one), one]));
  return [...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}

function resourceOf(store: Store, material: Material): Resource {
  switch (material.kind) {
    case 'file':
      return { uri: material.address, digest: digestMap(material.digest) };
    case 'repository': {
      const { address, ref, commit } = material;
      const algorithm = commit.length === 64 ? 'sha256' : 'sha1';
      return { uri: ref === undefined ? address : `${address}#${ref}`, digest: { [algorithm]: commit } };
    }
    case 'image': {
      const { image, name } = material;
      const platform = platformOf(imageConfig(store, image));
      const digest = imageData(image).index?.digest ?? image.manifest?.digest ?? image.id;
      const uri = isReference(name)
        ? imagePurl(parseReference(name), platform)
        : layoutPurl(name.slice(name.lastIndexOf('/') + 1), platform);
      return { uri, digest: digestMap(digest) };
    }
  }
}

function isReference(name: string): boolean {
  if (isImageId(name)) return false;
  try {
    parseReference(name);
    return true;
  } catch {
    return false;
  }
}

/** As in-toto writes a digest. */
export function digestMap(digest: Digest): Record<string, string> {
  return { [algorithmOf(digest)]: hexOf(digest) };
}

function stepsOf(job: Job, index: number, plain: (text: string) => string): Omit<StepFact, 'id'>[] {
  const name = job.plan.stages[index]?.name ?? String(index);
  return (job.steps.get(index) ?? []).map(({ node, records }) => {
    const { start, end } = node.range;
    const isOwn = node.source === job.plan.file.source;
    const layer = records.at(-1)?.diffId;
    return {
      stage: name,
      instruction: plain(node.original),
      ...(isOwn && { lines: [start.line, end.line] as const }),
      ...(layer && { layer: digestMap(layer) }),
    };
  });
}
