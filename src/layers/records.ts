/**
 * What the file system refuses to hold (an id outside of the user namespace, a device, a capability) bld keeps in
 * `user.bld.*` attributes of the object; see `owner.ts` for objects that carry none. They never leave the store.
 */
import type { Stat } from '../native/sys.ts';
import type { StoreKind } from '../store/types.ts';

export const PREFIX = 'user.bld.';
export const OWNER = 'user.bld.owner'; // uid:gid
export const MODE = 'user.bld.mode'; // octal
export const DEVICE = 'user.bld.device'; // c:1:3 or b:8:0, on an empty regular file
export const XATTR = 'user.bld.xattr.'; // + the attribute's real name

/** Attributes that belong to an image. Others are the host's (labels, ACLs), overlay's, or bld's own. */
export function isImageXattr(name: string): boolean {
  if (name === 'security.capability') return true;
  return name.startsWith('user.') && !name.startsWith(PREFIX) && !name.startsWith('user.overlay.');
}

/** What the records of one object say; absent ones are undefined. */
export interface Records {
  owner?: { readonly uid: number; readonly gid: number };
  mode?: number;
  device?: { readonly type: 'char' | 'block'; readonly major: number; readonly minor: number };
}

/**
 * Whether the object's records may be believed. With real owners, processes of a RUN run under their own ids and could
 * forge records on whatever they may write to; so only those count that nobody but root can have set.
 */
export function isTrusted(stat: Pick<Stat, 'uid' | 'gid' | 'mode'>, owners: StoreKind['owners']): boolean {
  return owners === 'xattr' || (stat.uid === 0 && stat.gid === 0 && (stat.mode & 0o022) === 0);
}

/** Reads one attribute into `records`; unknown and malformed ones are ignored. */
export function readRecord(records: Records, name: string, value: Buffer): void {
  const text = value.toString('latin1');
  if (name === OWNER) {
    const found = /^([0-9]{1,10}):([0-9]{1,10})$/.exec(text);
    if (found) records.owner = { uid: Number(found[1]), gid: Number(found[2]) };
  } else if (name === MODE) {
    if (/^[0-7]{1,4}$/.test(text)) records.mode = Number.parseInt(text, 8);
  } else if (name === DEVICE) {
    const found = /^([cb]):([0-9]{1,7}):([0-9]{1,7})$/.exec(text);
    const type = found?.[1] === 'b' ? 'block' : 'char';
    if (found) records.device = { type, major: Number(found[2]), minor: Number(found[3]) };
  }
}
