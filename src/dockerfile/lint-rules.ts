/** A check of `--check`: what it looks for, why, and how it says so. */
export interface LintRule {
  readonly description: string;
  /** The reason, and the way out. */
  readonly doc: string;
  /** Off unless `experimental=` names it. */
  readonly isExperimental?: true;
}

/** By name: the names are what `skip=` and `experimental=` take, and are BuildKit's. */
export const LINT_RULES = {
  StageNameCasing: {
    description: 'Stage names should be lowercase',
    doc: 'Names of stages are compared without letter case; written in lower case they look alike wherever they are used.',
  },
  FromAsCasing: {
    description: "The 'as' keyword should match the case of the 'from' keyword",
    doc: 'Write FROM … AS, or from … as.',
  },
  NoEmptyContinuation: {
    description: 'Empty continuation lines will become errors in a future release',
    doc: 'A blank line inside an instruction is skipped, which hides where the instruction ends. Remove it, or make it a comment.',
  },
  ConsistentInstructionCasing: {
    description: 'All commands within the Dockerfile should use the same casing (either upper or lower)',
    doc: 'Keywords may be written in any case; one case throughout is easier to read.',
  },
  DuplicateStageName: {
    description: 'Stage names should be unique',
    doc: 'With two stages of one name, --from and --target reach only one of them.',
  },
  ReservedStageName: {
    description: 'Reserved words should not be used as stage names',
    doc: 'scratch and context have a meaning of their own: a stage of that name cannot be told from it.',
  },
  JSONArgsRecommended: {
    description:
      'JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals',
    doc: 'In the shell form the shell is process 1 and does not pass signals on, so that stopping the container takes until it is killed. Use ["program", "argument"], or state the shell by SHELL.',
  },
  MaintainerDeprecated: {
    description: 'The MAINTAINER instruction is deprecated, use a label instead to define an image author',
    doc: 'Write LABEL org.opencontainers.image.authors="…".',
  },
  UndefinedArgInFrom: {
    description: 'FROM command must use declared ARGs',
    doc: 'FROM sees only the ARGs before the first FROM, and the platform arguments.',
  },
  WorkdirRelativePath: {
    description:
      'Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes',
    doc: "Start with an absolute path: the base image's working directory is not yours to rely on.",
  },
  UndefinedVar: {
    description: 'Variables should be defined before their use',
    doc: 'The variable is no ARG or ENV of this stage or its base, so that it expands to nothing.',
  },
  MultipleInstructionsDisallowed: {
    description: 'Multiple instructions of the same type should not be used in the same stage',
    doc: 'Only the last CMD, ENTRYPOINT and HEALTHCHECK of a stage has an effect.',
  },
  LegacyKeyValueFormat: {
    description: 'Legacy key/value format with whitespace separator should not be used',
    doc: 'Write name=value: the form without = takes the rest of the line as one value.',
  },
  InvalidBaseImagePlatform: {
    description: 'Base image platform does not match expected target platform',
    doc: 'The image exists for another platform than the one that is built.',
  },
  RedundantTargetPlatform: {
    description:
      'Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior',
    doc: 'Leave the flag out.',
  },
  SecretsUsedInArgOrEnv: {
    description: 'Sensitive data should not be used in the ARG or ENV commands',
    doc: 'Values of ARG and ENV stay in the image and its history. Use RUN --mount=type=secret.',
  },
  InvalidDefaultArgInFrom: {
    description: 'Default value for global ARG results in an empty or invalid base image name',
    doc: 'Give the ARG a default with which the file can be built.',
  },
  FromPlatformFlagConstDisallowed: {
    description: 'FROM --platform flag should not use a constant value',
    doc: 'A fixed platform makes the image unfit for others. Use $BUILDPLATFORM, or name the stage after its platform.',
  },
  CopyIgnoredFile: {
    description: 'Attempting to Copy file that is excluded by .dockerignore',
    doc: 'The ignore file leaves this source out of the context, so that the copy will fail.',
  },
  InvalidDefinitionDescription: {
    description:
      'Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`',
    doc: 'A comment right above an ARG or FROM is its description, and starts with its name. Set other comments apart by an empty line.',
    isExperimental: true,
  },
  ExposeProtoCasing: {
    description: 'Protocol in EXPOSE instruction should be lowercase',
    doc: 'Write 80/tcp, 53/udp.',
  },
  ExposeInvalidFormat: {
    description:
      'IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release',
    doc: 'EXPOSE tells ports of the container; ports of the host are chosen when it is run.',
  },
} as const satisfies Readonly<Record<string, LintRule>>;

export type LintRuleName = keyof typeof LINT_RULES;

/** `# check=`, or the build argument BUILDKIT_DOCKERFILE_CHECK in its place. */
export interface CheckOptions {
  readonly skip: 'all' | ReadonlySet<string>;
  readonly experimental: 'all' | ReadonlySet<string>;
  /** Warnings fail the build. */
  readonly isError: boolean;
}

export function isActive(rule: LintRuleName, options: CheckOptions): boolean {
  const { isExperimental }: LintRule = LINT_RULES[rule];
  if (isExperimental) return options.experimental === 'all' || options.experimental.has(rule);
  return options.skip !== 'all' && !options.skip.has(rule);
}
