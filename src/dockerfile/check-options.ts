import { at, Complaint } from './errors.ts';
import type { CheckOptions } from './lint-rules.ts';
import type { ParsedFile } from './parse.ts';
import type { Variables } from './variables.ts';

/**
 * The file's `# check=`, or the build argument BUILDKIT_DOCKERFILE_CHECK in its place; `more` goes on top of that.
 * Throws DockerfileError.
 */
export function checkOptionsOf(file: ParsedFile, buildArgs?: Variables, more = ''): CheckOptions {
  const line = file.source.lines.findIndex((text) => /^\s*#\s*check\s*=/i.test(text)) + 1;
  const position = { line: Math.max(1, line), column: 1 };
  const given = buildArgs?.get('BUILDKIT_DOCKERFILE_CHECK');
  return at({ source: file.source, range: { start: position, end: position } }, () =>
    parseCheckOptions(`${given ?? file.directives.check ?? ''};${more}`),
  );
}

/** Reads `skip=A,B;error=true;experimental=C`; throws a Complaint. */
export function parseCheckOptions(text: string | undefined): CheckOptions {
  let options: CheckOptions = { skip: new Set(), experimental: new Set(), isError: false };
  for (const part of (text ?? '').split(';')) {
    if (part.trim() === '') continue;
    const equals = part.indexOf('=');
    const key = (equals < 0 ? part : part.slice(0, equals)).trim();
    const value = equals < 0 ? '' : part.slice(equals + 1).trim();
    if (equals < 0 || !['skip', 'error', 'experimental'].includes(key)) {
      throw new Complaint(`failed to parse check options: invalid check option ${JSON.stringify(key)}`, {
        near: key,
        hint: 'options are skip=RULE,…  error=true  experimental=RULE,…',
      });
    }
    if (key === 'skip') options = { ...options, skip: namesOf(value) };
    else if (key === 'experimental') options = { ...options, experimental: namesOf(value) };
    else options = { ...options, isError: truth(value, part) };
  }
  return options;
}

function namesOf(value: string): 'all' | ReadonlySet<string> {
  return value === 'all' ? 'all' : new Set(value.split(',').map((name) => name.trim()));
}

function truth(value: string, part: string): boolean {
  if (/^(?:1|t|true)$/i.test(value)) return true;
  if (/^(?:0|f|false)$/i.test(value)) return false;
  throw new Complaint(
    `failed to parse check options: failed to parse check option ${JSON.stringify(part)}: it is true or false`,
    { near: part },
  );
}
