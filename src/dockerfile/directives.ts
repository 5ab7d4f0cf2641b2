import { Complaint } from './errors.ts';

const FORM = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(\S(?:.*\S)?)\s*$/;
const KNOWN = ['syntax', 'escape', 'check'];

/** The `# key=value` lines at the head of a file. */
export interface Directives {
  /** Names another frontend; told apart for a warning, for bld has this one alone. */
  readonly syntax?: string;
  readonly escape: '\\' | '`';
  readonly check?: string;
}

/** Takes the lines of a file from its top while they are directives; then `done`. */
export interface DirectiveReader {
  readonly found: Directives;
  readonly done: boolean;
  /** True when the line (without leading blanks) is a directive; throws a Complaint for a wrong one. */
  take(line: string): boolean;
}

/** An unknown key, a comment, a blank line or an instruction ends the head. */
export function directiveReader(): DirectiveReader {
  const seen = new Set<string>();
  let found: Directives = { escape: '\\' };
  let done = false;
  return {
    get done() {
      return done;
    },
    get found() {
      return found;
    },
    take(line) {
      if (done) return false;
      const [, key = '', value = ''] = FORM.exec(line) ?? [];
      const name = key.toLowerCase();
      done = !KNOWN.includes(name);
      if (done) return false;
      if (seen.has(name)) throw new Complaint(`only one ${name} parser directive can be used`, { near: key });
      if (name === 'escape' && value !== '`' && value !== '\\') {
        throw new Complaint(`invalid escape token '${value}' does not match \` or \\`, { near: value });
      }
      seen.add(name);
      found = { ...found, [name]: value };
      return true;
    },
  };
}
