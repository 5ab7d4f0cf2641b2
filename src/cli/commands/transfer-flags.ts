import { bool, csv, text, value } from '../flag.ts';
import { addHistory, cacheFlags, decryptionFlags, quiet, registryFlags } from '../flags.ts';
import type { Flags } from '../spec.ts';
import { readSeconds } from '../values.ts';

/** What `add` and `copy` share. */
export const transferFlags = {
  ...registryFlags,
  ...decryptionFlags,
  ...cacheFlags,
  authfile: { ...registryFlags.authfile, hidden: true },
  creds: { ...registryFlags.creds, hidden: true },
  'remove-signatures': bool('signatures are never copied', { hidden: true, ignored: true }),
  'add-history': addHistory,
  'allow-empty-wildcard': bool('a pattern that matches nothing is no error'),
  'allow-wildcard': bool('expand patterns in source names', { fallback: true }),
  checksum: text('digest that downloaded content must have: sha256:HEX', { value: 'DIGEST' }),
  chmod: text('permissions of the content: octal, or as chmod(1) takes them', { value: 'MODE' }),
  chown: text('owner of the content', { value: 'USER[:GROUP]' }),
  contextdir: text('directory that sources are relative to', { value: 'PATH' }),
  exclude: csv('pattern of files to leave out', { value: 'PATTERN' }),
  from: text('container or image that sources are taken from', { value: 'NAME' }),
  ignorefile: text('file of patterns to leave out', { value: 'PATH' }),
  link: bool('make a layer that stands on none below: links and owners of the container do not count'),
  'no-follow-symlinks': bool('copy a symbolic link instead of what it points to'),
  quiet: quiet('do not print the digest of the content'),
  timestamp: value('date of the content', readSeconds, { value: 'SECONDS' }),
} satisfies Flags;

export const transferArguments = { min: 1, after: 'strict' } as const;
