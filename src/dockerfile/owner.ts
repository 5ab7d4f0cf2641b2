import { Complaint } from './errors.ts';

/** A side of `--chown` or USER: an id, or a name that the image's passwd or group file resolves. */
export type Identity = { readonly id: number } | { readonly name: string };

export interface Owner {
  readonly user: Identity;
  /** Absent: the user's primary group for a name, the same number for an id. */
  readonly group?: Identity;
}

/** `user`, `user:group`, names or numbers, or `:group` of user 0; throws a Complaint. */
export function parseOwner(text: string): Owner {
  const [user = '', group, ...more] = text.split(':');
  if (more.length > 0 || group === '' || (user === '' && group === undefined)) {
    throw new Complaint(`invalid owner ${JSON.stringify(text)}: it is user or user:group`, { near: text });
  }
  return { user: identity(user || '0'), ...(group !== undefined && { group: identity(group) }) };
}

function identity(text: string): Identity {
  if (!/^\d+$/.test(text)) return { name: text };
  const id = Number(text);
  if (id > 0xffff_fffe) throw new Complaint(`invalid owner: ${text} is larger than any id`, { near: text });
  return { id };
}
