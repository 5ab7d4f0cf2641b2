import type { Heredoc } from './heredoc.ts';
import type { Node } from './parse.ts';
import type { Pair } from './words.ts';

/** An instruction as written: arguments told apart, variables not yet expanded (see evaluate.ts). */
export type Instruction =
  | FromInstruction
  | ArgInstruction
  | PairsInstruction
  | RunInstruction
  | CopyInstruction
  | CommandInstruction
  | ShellInstruction
  | ExposeInstruction
  | VolumeInstruction
  | WordInstruction
  | HealthcheckInstruction
  | OnbuildInstruction;

export type Kind = Instruction['kind'];

interface Base {
  /** Where it stands, and its text. */
  readonly node: Node;
}

export interface FromInstruction extends Base {
  readonly kind: 'from';
  readonly image: string;
  readonly platform?: string;
  /** `AS name`, as written. */
  readonly name?: string;
  /** `--after=stage` (Buildah): stages that must be done before. */
  readonly after: readonly string[];
}

export interface ArgInstruction extends Base {
  readonly kind: 'arg';
  readonly args: readonly ArgDeclaration[];
}

export interface ArgDeclaration {
  readonly name: string;
  readonly value?: string;
}

export interface PairsInstruction extends Base {
  readonly kind: 'env' | 'label';
  readonly pairs: readonly Pair[];
  /** The form without `=`. */
  readonly isLegacy: boolean;
}

/** Shell form: a line for the shell; exec form: argv; script: a heredoc that starts with `#!`, run as a file. */
export type CommandText =
  | { readonly form: 'shell'; readonly line: string }
  | { readonly form: 'exec'; readonly argv: readonly string[] };

export interface RunInstruction extends Base {
  readonly kind: 'run';
  readonly command: RunCommand;
  /** The texts of `--mount=`. */
  readonly mounts: readonly string[];
  readonly network: 'default' | 'none' | 'host';
  readonly security: 'sandbox' | 'insecure';
  readonly devices: readonly { readonly name: string; readonly isRequired: boolean }[];
}

export type RunCommand =
  | CommandText
  | {
      readonly form: 'script';
      /** The heredoc's name; the file is to be at `/dev/pipes/<name>`, mode 0755, during the RUN alone. */
      readonly name: string;
      readonly content: string;
    };

export interface CopyInstruction extends Base {
  readonly kind: 'copy' | 'add';
  readonly sources: readonly string[];
  /** Files given in the Dockerfile itself. */
  readonly heredocs: readonly Heredoc[];
  readonly destination: string;
  readonly from?: string;
  readonly chown?: string;
  readonly chmod?: string;
  readonly link: boolean;
  readonly parents: boolean;
  readonly exclude: readonly string[];
  /** ADD alone. */
  readonly checksum?: string;
  readonly keepGitDir?: boolean;
  readonly unpack?: boolean;
}

export interface CommandInstruction extends Base {
  readonly kind: 'cmd' | 'entrypoint';
  readonly command: CommandText;
}

export interface ShellInstruction extends Base {
  readonly kind: 'shell';
  readonly argv: readonly string[];
}

export interface ExposeInstruction extends Base {
  readonly kind: 'expose';
  readonly ports: readonly string[];
}

export interface VolumeInstruction extends Base {
  readonly kind: 'volume';
  readonly paths: readonly string[];
}

/** Instructions whose argument is the rest of the line. */
export interface WordInstruction extends Base {
  readonly kind: 'user' | 'workdir' | 'stopsignal' | 'maintainer';
  readonly word: string;
}

export interface HealthcheckInstruction extends Base {
  readonly kind: 'healthcheck';
  readonly check: Healthcheck;
}

/** The `Healthcheck` of an image config: durations in nanoseconds, absent when not given. */
export interface Healthcheck {
  /** `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", line]`. */
  readonly Test: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

export interface OnbuildInstruction extends Base {
  readonly kind: 'onbuild';
  readonly trigger: Instruction;
  /** The trigger as the config keeps it, heredocs included. */
  readonly text: string;
}
