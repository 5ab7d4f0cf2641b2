import { BldError } from '../base/errors.ts';
import { type Parameter, targetOutline, targetsOf } from '../dockerfile/describe.ts';
import { DockerfileError } from '../dockerfile/errors.ts';
import { formatWarning, type LintReport, type LintWarning } from '../dockerfile/lint.ts';
import { LINT_RULES } from '../dockerfile/lint-rules.ts';
import type { Plan } from '../dockerfile/plan.ts';
import type { Range } from '../dockerfile/source.ts';
import type { Call } from './build-call.ts';
import { json, type Outcome, text } from './output.ts';
import { alignTabs } from './table.ts';

/** The report on standard output, then E_DOCKERFILE for what would fail the build, or where warnings are errors. */
export function tellCheck(
  report: LintReport,
  format: Call['format'],
  print: (outcome: Outcome) => void,
): Outcome {
  const { warnings, errors, isViolation } = report;
  const isClean = warnings.length === 0 && errors.length === 0;
  if (format === 'json') print(json(checkJson(report), 2));
  else if (isClean) return text('Check complete, no warnings found.\n');
  else if (warnings.length > 0) print(text(warnings.map((one) => `${formatWarning(one)}\n\n`).join('')));
  const [error] = errors;
  if (error) throw error;
  if (isViolation) {
    throw new BldError('E_DOCKERFILE', `checks that are errors in this file failed: ${warnings.length}`, {
      hint: 'mend them, or leave them out by "# check=skip=NAME"',
      exitCode: 1,
    });
  }
  return undefined;
}

/** As docker's `--call=check,format=json`. */
function checkJson({ warnings, errors, source }: LintReport) {
  const [error] = errors;
  return {
    warnings: warnings.length === 0 ? null : warnings.map(warningJson),
    sources: [{ filename: source.name, data: encoded(source.text), language: 'Dockerfile' }],
    ...(error && { buildError: errorJson(error) }),
  };
}

function warningJson({ rule, message, place }: LintWarning) {
  const page = rule.replace(/(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, '-').toLowerCase();
  return {
    ruleName: rule,
    description: LINT_RULES[rule].description,
    url: `https://docs.docker.com/go/dockerfile/rule/${page}/`,
    detail: message,
    location: location(place.range),
  };
}

function errorJson(error: BldError) {
  const { spot } = error;
  const message = error instanceof DockerfileError ? error.reason : error.message;
  return { message, ...(spot && { location: location({ start: spot, end: spot }) }) };
}

function location({ start, end }: { readonly [Edge in keyof Range]: { readonly line: number } }) {
  return { ranges: [{ start: { line: start.line }, end: { line: end.line } }] };
}

function encoded(content: string): string {
  return Buffer.from(content).toString('base64');
}

/** The stages that can be asked for, as docker's `--call=targets`. */
export function tellTargets(plan: Plan, format: Call['format']): Outcome {
  const targets = targetsOf(plan);
  if (format === 'text') {
    const rows = targets.map(({ name = '', isDefault, description = '' }) => {
      const shown = [name, ...(isDefault ? ['(default)'] : [])].filter(Boolean).join(' ');
      return `${shown}\t${description}\n`;
    });
    return text(alignTabs(`TARGET\tDESCRIPTION\n${rows.join('')}`, 1));
  }
  return json(
    {
      targets: targets.map(({ isDefault, node, base, ...rest }) => ({
        ...rest,
        ...(isDefault && { default: true }),
        base,
        location: location(node.range),
      })),
      sources: [encoded(plan.file.source.lines.join('\n'))],
    },
    2,
  );
}

/** What the target may be given, as docker's `--call=outline`. */
export function tellOutline(plan: Plan, format: Call['format']): Outcome {
  const { name, description, args, secrets, agents } = targetOutline(plan);
  if (format === 'json') {
    return json(
      {
        ...(name !== undefined && { name }),
        ...(description !== undefined && { description }),
        ...(args.length > 0 && { args: args.map(parameterJson) }),
        ...(secrets.length > 0 && { secrets: secrets.map(parameterJson) }),
        ...(agents.length > 0 && { ssh: agents.map(parameterJson) }),
        sources: [encoded(plan.file.source.lines.join('\n'))],
      },
      2,
    );
  }
  const required = ({ name, isRequired }: Parameter) => `${name}\t${isRequired ? 'true' : ''}\n`;
  const parts = [
    name === undefined
      ? ''
      : `TARGET:\t${name}\n${description === undefined ? '' : `DESCRIPTION:\t${description}\n`}`,
    args.length === 0
      ? ''
      : `BUILD ARG\tVALUE\tDESCRIPTION\n${args.map((one) => `${one.name}\t${one.value ?? ''}\t${one.description ?? ''}\n`).join('')}`,
    secrets.length === 0 ? '' : `SECRET\tREQUIRED\n${secrets.map(required).join('')}`,
    agents.length === 0 ? '' : `SSH\tREQUIRED\n${agents.map(required).join('')}`,
  ];
  return text(
    parts
      .filter(Boolean)
      .map((part) => alignTabs(part, 3))
      .join('\n'),
  );
}

function parameterJson({ name, description, value, isRequired, node }: Parameter) {
  return {
    name,
    ...(description !== undefined && { description }),
    ...(value !== undefined && { value }),
    ...(isRequired && { required: true }),
    location: location(node.range),
  };
}
