import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Bench } from './bld.ts';

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

// biome-ignore lint/suspicious/noExplicitAny: documents are looked at freely by tests
export type Statement = any;

/** Hexadecimal digits. */
export const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');

/** The index that a layout holds, and what is attested in it: all digests are checked. */
export function attestedIn(layout: string) {
  const blob = ({ digest, size }: Descriptor): Buffer => {
    const bytes = readFileSync(join(layout, 'blobs/sha256', digest.slice(7)));
    expect([`sha256:${sha256(bytes)}`, bytes.length]).toEqual([digest, size]);
    return bytes;
  };
  const read = (descriptor: Descriptor) => JSON.parse(blob(descriptor).toString());
  const [top] = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')).manifests;
  const root = read(top);
  const manifests: readonly Descriptor[] = root.manifests;
  const statements = manifests.flatMap((entry): Statement[] => {
    if (entry.annotations?.['vnd.docker.reference.type'] !== 'attestation-manifest') return [];
    expect(entry.platform).toEqual({ architecture: 'unknown', os: 'unknown' });
    const { config, layers } = read(entry);
    expect(read(config)).toEqual({
      architecture: 'unknown',
      os: 'unknown',
      config: {},
      rootfs: { type: 'layers', diff_ids: layers.map(({ digest }: Descriptor) => digest) },
    });
    return layers.map((layer: Descriptor) => {
      const statement = read(layer);
      expect([layer.mediaType, layer.annotations]).toEqual([
        'application/vnd.in-toto+json',
        { 'in-toto.io/predicate-type': statement.predicateType },
      ]);
      const about = statement.subject.map(({ digest }: Statement) => `sha256:${digest.sha256}`);
      expect(new Set(about)).toEqual(new Set([entry.annotations?.['vnd.docker.reference.digest']]));
      return statement;
    });
  });
  return { manifests, statements };
}

/** Builds into a layout; what is attested there. */
export async function attested(bench: Bench, ...args: string[]) {
  const layout = bench.mkdir(`layout-${Math.random()}`);
  const made = await bench.meanwhile(['build', '-q', '-t', `oci:${layout}:x`, ...args]);
  if (made.code !== 0) throw new Error(made.stderr);
  return { ...attestedIn(layout), id: made.stdout.trim() };
}
