import { readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type Digest, hexOf } from '../../base/digest.ts';
import { BldError } from '../../base/errors.ts';
import { makeDirectories, writeFileAtomic } from '../../base/fs.ts';
import type { ImageSink, ImageSource } from '../copy.ts';
import { decodeManifest, rawManifest } from '../decode.ts';
import { verifyBytes } from '../verify.ts';
import { directoryTree, readDocument, writeStream } from './files.ts';
import { counted } from './oci.ts';

const VERSION = 'Directory Transport Version: 1.1\n';
/** What a directory of this kind may hold; anything else belongs to somebody. */
const OWN_FILE =
  /^(?:version|manifest\.json|signature-[0-9]+|[0-9a-f]{64}(?:[0-9a-f]{64})?(?:\.manifest\.json|\.signature-[0-9]+)?)$/;

/** An image in a directory as skopeo lays it out: manifest.json, and each blob named by its hexadecimal digest. */
export function dirSource(path: string, label: string): ImageSource {
  const tree = directoryTree(path, label);
  return {
    label,
    async manifest(digest) {
      const bytes = await readDocument(
        tree,
        digest ? `${hexOf(digest)}.manifest.json` : 'manifest.json',
        label,
      );
      const { mediaType } = decodeManifest(bytes, undefined, `${label}: manifest`);
      if (digest) verifyBytes(bytes, { digest }, `${label}: manifest ${digest}`);
      return { ...rawManifest(bytes, mediaType), ...(digest && { digest }) };
    },
    open: (blob, offset) => tree.open(hexOf(blob.digest), offset),
    [Symbol.asyncDispose]: () => tree[Symbol.asyncDispose](),
  };
}

/** Makes the directory an image; one that held another image before is taken over, anything else is E_EXISTS. */
export function dirSink(path: string, label: string): ImageSink {
  makeDirectories(path);
  const found = readdirSync(path);
  const strange = found.find((name) => !OWN_FILE.test(name));
  if (strange !== undefined || (found.length > 0 && !found.includes('version'))) {
    throw new BldError('E_EXISTS', `${path} is not empty and holds no image`, {
      hint: 'name a new directory',
    });
  }
  const tree = directoryTree(path, label);
  const kept = new Set(['version', 'manifest.json']);
  const keep = (digest: Digest, suffix = ''): string => {
    const name = `${hexOf(digest)}${suffix}`;
    kept.add(name);
    return name;
  };
  writeFileAtomic(join(path, 'version'), VERSION, 0o644);
  return {
    label,
    verifies: false,
    async has(blob) {
      return (await tree.size(keep(blob.digest))) === blob.size;
    },
    async put({ descriptor, open, onBytes }) {
      await writeStream(join(path, keep(descriptor.digest)), counted(await open(0), onBytes));
    },
    async putManifest({ raw }) {
      writeFileAtomic(join(path, keep(raw.digest, '.manifest.json')), raw.bytes, 0o644);
    },
    async commit({ raw }) {
      writeFileAtomic(join(path, 'manifest.json'), raw.bytes, 0o644);
      for (const name of readdirSync(path)) {
        if (OWN_FILE.test(name) && !kept.has(name)) unlinkSync(join(path, name));
      }
    },
    async [Symbol.asyncDispose]() {},
  };
}
