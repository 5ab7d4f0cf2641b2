import { closeSync, constants, fstatSync, readFileSync } from 'node:fs';
import { BldError, isErrno } from '../base/errors.ts';
import { type Fd, sys } from '../native/sys.ts';

export interface User {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups from the image's /etc/group. */
  readonly groups: readonly number[];
  readonly home: string;
}

const LARGEST_FILE = 10 << 20;
/** (uid_t)-1 means "leave as it is" to the kernel. */
const LARGEST_ID = 0xffff_fffe;

function wrong(message: string): BldError {
  return new BldError('E_RUN', `determining run uid: ${message}`);
}

/** The lines of an account file in the image; none when it is not there. Regular files of at most 10 MiB only. */
function readLines(rootfs: Fd, path: string): string[][] {
  let fd: Fd;
  try {
    fd = sys().openIn(
      rootfs,
      Buffer.from(path),
      constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO')) return [];
    throw error;
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw wrong(`the image's /${path} is not a regular file`);
    if (stat.size > LARGEST_FILE) throw wrong(`the image's /${path} is larger than ${LARGEST_FILE} bytes`);
    return readFileSync(fd, 'utf8')
      .split('\n')
      .map((line) => line.split(':'));
  } finally {
    closeSync(fd);
  }
}

/** A number in range, undefined for a name. */
function parseId(text: string, what: string): number | undefined {
  if (!/^[0-9]+$/.test(text)) return undefined;
  const id = Number(text);
  if (id > LARGEST_ID) throw wrong(`${what} id ${text} is out of range: 0 to ${LARGEST_ID}`);
  return id;
}

function findUser(rootfs: Fd, text: string): Omit<User, 'groups'> & { readonly name: string | undefined } {
  const id = parseId(text, 'user');
  const entries = readLines(rootfs, 'etc/passwd');
  const entry = entries.find(([name, , uid]) =>
    id === undefined ? name === text : uid !== '' && Number(uid) === id,
  );
  if (!entry) {
    // root is root where there are no accounts, too: images from scratch
    if (text === 'root') return { uid: 0, gid: 0, home: '/root', name: undefined };
    if (id === undefined) throw wrong(`user: unknown user error looking up user ${JSON.stringify(text)}`);
    return { uid: id, gid: 0, home: '/', name: undefined };
  }
  const uid = parseId(entry[2] ?? '', 'user');
  const gid = parseId(entry[3] ?? '', 'group');
  if (uid === undefined || gid === undefined) {
    throw wrong(`the image's /etc/passwd has no numbers for user ${JSON.stringify(text)}`);
  }
  return { uid, gid, home: entry[5] || '/', name: entry[0] };
}

function findGroup(groups: readonly string[][], text: string): number {
  const id = parseId(text, 'group');
  if (id !== undefined) return id;
  const found = groups.find(([name]) => name === text);
  if (!found && text === 'root') return 0;
  const gid = found && parseId(found[2] ?? '', 'group');
  if (gid === undefined) throw wrong(`user: unknown group error looking up group ${JSON.stringify(text)}`);
  return gid;
}

/**
 * `name[:group]` or `uid[:gid]` in the accounts of a root file system; an empty user is 0. Errors are Buildah's
 * (exit code 125): an unknown name; a number need not be known and has then group 0.
 */
export function lookupUser(rootfs: Fd, text: string): User {
  const colon = text.indexOf(':');
  const userText = colon < 0 ? text : text.slice(0, colon);
  const groupText = colon < 0 ? '' : text.slice(colon + 1);
  const user = findUser(rootfs, userText === '' ? '0' : userText);
  const lines = readLines(rootfs, 'etc/group');
  const gid = groupText === '' ? user.gid : findGroup(lines, groupText);
  const groups = new Set<number>();
  for (const [, , id = '', members = ''] of lines) {
    if (user.name === undefined || !members.split(',').includes(user.name)) continue;
    const number = parseId(id, 'group');
    if (number !== undefined) groups.add(number);
  }
  return { uid: user.uid, gid, groups: [...groups], home: user.home };
}
