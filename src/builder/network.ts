import { BldError } from '../base/errors.ts';
import type { NetworkMode } from '../runtime/spec.ts';

/**
 * `--network`'s words: `host` (also the default), `none`, `private`, `pasta[:options]`, `slirp4netns[:options]`,
 * `ns:/path`. Named networks need a daemon's bookkeeping that bld does not have: E_UNSUPPORTED.
 */
export function parseNetwork(text: string | undefined): NetworkMode {
  const [word = '', ...rest] = (text ?? '').split(':');
  const options = rest.join(':');
  switch (word) {
    case '':
    case 'default':
    case 'host':
      return { kind: 'host' };
    case 'none':
      return { kind: 'none' };
    case 'private':
    case 'bridge':
    case 'container':
      return { kind: 'private', program: 'auto', options: [] };
    case 'pasta':
    case 'slirp4netns':
      return { kind: 'private', program: word, options: options ? options.split(',') : [] };
    case 'ns':
      return { kind: 'path', path: options };
    default:
      if (word.startsWith('/')) return { kind: 'path', path: text ?? '' };
      throw new BldError('E_UNSUPPORTED', `no network ${JSON.stringify(text)}`, {
        hint: 'choose host, none, private, pasta, slirp4netns or ns:PATH',
      });
  }
}
