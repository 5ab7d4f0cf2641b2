import type { Platform } from '../base/descriptor.ts';
import { BldError } from '../base/errors.ts';
import { checkOptionsOf } from './check-options.ts';
import { excerptOf, type Place } from './errors.ts';
import type { IgnoreMatcher } from './ignore.ts';
import { interpret } from './interpret.ts';
import { lintGlobals, lintOutline, lintSyntax } from './lint-file.ts';
import { isActive, LINT_RULES, type LintRuleName } from './lint-rules.ts';
import { lintStage, type StageKnowledge } from './lint-stage.ts';
import { parseFile } from './parse.ts';
import { outlineOf, type Plan, type PlanOptions, planBuild } from './plan.ts';

export interface LintWarning {
  readonly rule: LintRuleName;
  readonly message: string;
  readonly place: Place;
  /** The word to underline. */
  readonly near?: string;
}

/** Takes a warning; the rules call it. */
export type Warn = (rule: LintRuleName, message: string, place: Place, near?: string) => void;

/** What is known of a base image without building. */
export interface BaseImage {
  readonly platform: Platform;
  /** `config.Env`. */
  readonly environment: readonly string[];
  readonly hasShell: boolean;
}

export interface LintOptions extends PlanOptions {
  readonly ignore?: IgnoreMatcher;
  /** Check options on top of the file's. */
  readonly check?: string;
  /** Undefined for an image that is not at hand: rules that need to know it stay silent. */
  readonly baseImage?: (reference: string, platform: Platform) => BaseImage | undefined;
}

export interface LintReport {
  readonly source: { readonly name: string; readonly text: string };
  /** By line. */
  readonly warnings: readonly LintWarning[];
  /** What will fail the build, as far as the file alone tells. */
  readonly errors: readonly BldError[];
  /** `check=error=true`, and there are warnings. */
  readonly isViolation: boolean;
}

/** Checks a Dockerfile without building it. Never throws for what is in the file: that is in the report. */
export function lintFile(text: string, name: string, options: LintOptions): LintReport {
  const found: LintWarning[] = [];
  const errors: BldError[] = [];
  const attempt = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof BldError)) throw error;
      errors.push(error);
      return undefined;
    }
  };
  const file = attempt(() => parseFile(text, name));
  const check = file && attempt(() => checkOptionsOf(file, options.buildArgs, options.check));
  const source = { name, text };
  if (!file || !check) return { source, warnings: [], errors, isViolation: false };
  const warn: Warn = (rule, message, place, near) => {
    if (isActive(rule, check)) found.push({ rule, message, place, ...(near && { near }) });
  };
  for (const node of file.nodes) {
    lintSyntax(node, warn);
    attempt(() => interpret(node));
  }
  const outline = errors.length === 0 ? attempt(() => outlineOf(file)) : undefined;
  if (outline) {
    lintOutline(outline, warn);
    lintGlobals(outline, { file, options, warn });
    const plan = attempt(() => planBuild(file, options));
    if (plan) lintStages(plan, options, { warn, attempt });
  }
  const warnings = found.sort((a, b) => a.place.range.start.line - b.place.range.start.line);
  return { source, warnings, errors, isViolation: check.isError && warnings.length > 0 };
}

function lintStages(
  plan: Plan,
  options: LintOptions,
  sinks: { readonly warn: Warn; readonly attempt: <T>(work: () => T) => T | undefined },
): void {
  const known: StageKnowledge[] = [];
  for (const stage of plan.stages) {
    known.push(lintStage(stage, { plan, options, known, ...sinks }));
  }
}

/** A warning for people: rule, message, place, excerpt. */
export function formatWarning(warning: LintWarning): string {
  const { rule, message, place, near } = warning;
  const where = `${place.source.name}:${place.range.start.line}`;
  return `WARNING: ${rule} - ${LINT_RULES[rule].doc}\n${message}\n\n${where}\n${excerptOf(place, near)}`;
}
