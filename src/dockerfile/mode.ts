import { Complaint } from './errors.ts';

/** What a mode is made from: permission bits (0..0o7777), and whether it is a directory's. */
export interface ModeOf {
  readonly mode: number;
  readonly isDirectory: boolean;
}

/** A `--chmod`: gives the new permission bits. */
export type ModeChange = (file: ModeOf) => number;

interface Clause {
  readonly who: number;
  readonly operator: string;
  readonly permissions: string;
  /** No `ugoa` was written: everybody, special bits as for `a`. */
  readonly isImplicit: boolean;
}

const WHO: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007, a: 0o7777 };
const CLAUSE = /^([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)$/;

/** `755`, `u=rwX,go=rX`, `+x`, `g=u`: octal or symbolic as chmod(1), with a umask of 0. Throws a Complaint. */
export function parseMode(text: string): ModeChange {
  if (/^[0-7]{1,5}$/.test(text) && Number.parseInt(text, 8) <= 0o7777) {
    const mode = Number.parseInt(text, 8);
    return () => mode;
  }
  if (text === '' || /^\d/.test(text)) {
    throw new Complaint(
      `invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`,
      { near: text },
    );
  }
  const clauses = text.split(',').flatMap((part) => clausesOf(part, text));
  return (file) => clauses.reduce((mode, clause) => applied(clause, { ...file, mode }), file.mode);
}

function clausesOf(part: string, text: string): Clause[] {
  const [, letters = '', actions] = CLAUSE.exec(part) ?? [];
  if (actions === undefined) {
    throw new Complaint(`invalid chmod parameter: '${text}'`, {
      near: text,
      hint: 'it is octal (755, 0644) or symbolic (u=rwX,go=rX, +x, g=u)',
    });
  }
  const isImplicit = letters === '';
  const who = isImplicit ? 0o7777 : [...letters].reduce((bits, letter) => bits | (WHO[letter] ?? 0), 0);
  return [...actions.matchAll(/([-+=])([^-+=]*)/g)].map(([, operator = '', permissions = '']) => {
    return { who, operator, permissions, isImplicit };
  });
}

function applied(clause: Clause, file: ModeOf): number {
  const bits = bitsOf(clause, file) & clause.who;
  if (clause.operator === '+') return file.mode | bits;
  if (clause.operator === '-') return file.mode & ~bits;
  // As GNU chmod: `=` leaves a directory's set-id bits alone unless they are named.
  const kept = file.isDirectory ? 0o6000 & ~(/s/.test(clause.permissions) ? clause.who : 0) : 0;
  return (file.mode & (~clause.who | kept)) | bits;
}

function bitsOf({ permissions }: Clause, file: ModeOf): number {
  let bits = 0;
  for (const letter of permissions) {
    if (letter === 'r') bits |= 0o444;
    else if (letter === 'w') bits |= 0o222;
    else if (letter === 'x') bits |= 0o111;
    else if (letter === 'X') bits |= file.isDirectory || (file.mode & 0o111) !== 0 ? 0o111 : 0;
    else if (letter === 's') bits |= 0o6000;
    else if (letter === 't') bits |= 0o1000;
    else bits |= copied(file.mode, letter);
  }
  return bits;
}

/** The permission bits of one class, for all three. */
function copied(mode: number, letter: string): number {
  const shift = letter === 'u' ? 6 : letter === 'g' ? 3 : 0;
  return ((mode >> shift) & 7) * 0o111;
}
