import type { FlagKind } from './flags.ts';

type Flags = Readonly<Record<string, FlagKind>>;

const COPIED: Flags = { chown: 'text', chmod: 'text', link: 'bool', exclude: 'list' };

/** The flags that instructions know; those that are not here know none. */
export const FLAGS: Readonly<Record<string, Flags>> = {
  FROM: { platform: 'text', after: 'list' },
  RUN: { mount: 'list', network: 'text', security: 'text', device: 'list' },
  COPY: { from: 'text', ...COPIED, parents: 'bool' },
  ADD: { ...COPIED, checksum: 'text', 'keep-git-dir': 'bool', unpack: 'bool' },
  HEALTHCHECK: {
    interval: 'text',
    timeout: 'text',
    'start-period': 'text',
    'start-interval': 'text',
    retries: 'text',
  },
};

/** The instructions that know a flag: where one was probably meant to stand. */
export function instructionsWith(flag: string): string[] {
  return Object.entries(FLAGS).flatMap(([keyword, flags]) => (Object.hasOwn(flags, flag) ? [keyword] : []));
}
