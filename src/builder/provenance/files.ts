import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Hasher } from '../../base/digest.ts';
import { BldError } from '../../base/errors.ts';
import { readBody } from '../../layers/file-body.ts';
import type { Change, EntryChange } from '../../layers/types.ts';
import { sys } from '../../native/sys.ts';
import type { Job } from '../build/job.ts';
import { digestMap } from './facts.ts';

interface Subject {
  readonly name: string;
  readonly digest: Readonly<Record<string, string>>;
}

interface StatementFile {
  readonly name: string;
  /** The statement about these files. */
  readonly make: (subjects: readonly Subject[]) => Buffer;
}

/** A statement about all regular files of a tree, as one more file of it. E_EXISTS when the tree has one of its name. */
export async function statementFile(
  { engine, options }: Job,
  files: Iterable<Change>,
  { name, make }: StatementFile,
): Promise<Disposable & { readonly change: Change }> {
  const path = Buffer.from(name);
  const subjects: Subject[] = [];
  for (const change of files) {
    if (change.path.equals(path)) {
      throw new BldError('E_EXISTS', `the image has a file ${name}, where the attestation is to be`, {
        ...(!name.endsWith('.spdx.json') && { hint: 'give that another name: --provenance filename=NAME' }),
      });
    }
    if (change.kind !== 'entry' || change.meta.type !== 'file') continue;
    engine.signal?.throwIfAborted();
    subjects.push({ name: change.path.toString(), digest: await digestOfFile(change) });
  }
  const bytes = make(subjects);
  const directory = mkdtempSync(join(engine.store.scratch(), 'statement-'));
  writeFileSync(join(directory, 'statement'), bytes);
  const dir = sys().openRoot(directory);
  const { timestamp, sourceDateEpoch } = options.commit ?? {};
  const seconds = timestamp ?? sourceDateEpoch ?? Math.floor(Date.now() / 1000);
  const change: Change = {
    kind: 'entry',
    path,
    meta: {
      type: 'file',
      mode: 0o644,
      uid: 0,
      gid: 0,
      size: bytes.length,
      mtime: BigInt(seconds) * 1_000_000_000n,
      major: 0,
      minor: 0,
      xattrs: null,
    },
    at: { dir, name: Buffer.from('statement') },
    inode: undefined,
  };
  return { change, [Symbol.dispose]: () => sys().close(dir) };
}

async function digestOfFile(file: EntryChange): Promise<Subject['digest']> {
  const hasher = new Hasher();
  for await (const chunk of readBody(file)) hasher.update(chunk);
  return digestMap(hasher.digest());
}
