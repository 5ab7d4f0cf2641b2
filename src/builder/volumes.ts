import { resolve } from 'node:path';
import { BldError } from '../base/errors.ts';
import type { MountFlag, RunMount } from '../runtime/spec.ts';

/** `--volume SOURCE:TARGET[:OPTIONS]`: what Buildah's `--volume` takes. */
export interface Volume {
  readonly source: string;
  readonly target: string;
  readonly readonly: boolean;
  /** `:O`: writes are thrown away after the command. */
  readonly overlay: boolean;
  /** `:U`: the source's owner becomes the command's user. */
  readonly chown: boolean;
  readonly recursive: boolean;
  readonly flags: readonly MountFlag[];
  readonly propagation?: Propagation;
}

export type Propagation = NonNullable<Extract<RunMount, { kind: 'bind' }>['propagation']>;

const PROPAGATIONS: readonly string[] = ['private', 'rprivate', 'slave', 'rslave', 'shared', 'rshared'];
/** The word if it is a propagation. */
export function propagationOf(word: string): Propagation | undefined {
  return PROPAGATIONS.includes(word) ? (word as Propagation) : undefined;
}

const FLAGS: readonly string[] = ['nosuid', 'nodev', 'noexec'];
/** Accepted and without effect: SELinux labels on machines that have none, and mount's defaults spelled out. */
const DEFAULTS: readonly string[] = ['rw', 'z', 'Z', 'suid', 'dev', 'exec', 'rbind', 'copy', 'nocopy'];

function mistake(text: string, why: string): BldError {
  return new BldError('E_USAGE', `invalid volume ${JSON.stringify(text)}: ${why}`, {
    hint: 'the form is SOURCE:TARGET[:ro|rw|z|Z|U|O,…], both paths absolute',
  });
}

/** The flag's text as a Volume; a closed list of options (E_USAGE otherwise). A relative source starts at `cwd`. */
export function parseVolume(text: string, cwd: string): Volume {
  const [source = '', target = '', options = '', ...rest] = text.split(':');
  if (!source || !target || rest.length > 0) throw mistake(text, 'it needs a source and a target');
  if (!target.startsWith('/')) throw mistake(text, `the target ${JSON.stringify(target)} is not absolute`);
  const words = options ? options.split(',') : [];
  const propagation = words.map(propagationOf).find((word) => word !== undefined);
  const known = ['ro', 'O', 'U', 'bind', ...DEFAULTS, ...FLAGS, ...PROPAGATIONS];
  for (const word of words) {
    if (!known.includes(word) && !/^(upperdir|workdir)=/.test(word)) {
      throw mistake(text, `unknown option ${JSON.stringify(word)}`);
    }
    if (word.includes('=')) throw mistake(text, `option ${JSON.stringify(word)} is not provided`);
  }
  if (words.includes('ro') && words.includes('rw')) throw mistake(text, 'both ro and rw');
  return {
    source: resolve(cwd, source),
    target,
    readonly: words.includes('ro'),
    overlay: words.includes('O'),
    chown: words.includes('U'),
    recursive: !words.includes('bind'),
    flags: words.filter((word): word is MountFlag => FLAGS.includes(word)),
    ...(propagation && { propagation }),
  };
}
