/** Runs one command as the JSON of argv[2] says and prints what became of it as JSON: see runtime-harness.ts. */
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { BldError } from '../../src/base/errors.ts';
import { configureLog } from '../../src/base/log.ts';
import { environment } from '../../src/native/environment.ts';
import { sys } from '../../src/native/sys.ts';
import { DEFAULT_CAPABILITIES } from '../../src/runtime/capabilities.ts';
import { runCommand } from '../../src/runtime/sandbox.ts';
import type { NamespaceMode, RunSpec } from '../../src/runtime/spec.ts';
import type { GuestReply, GuestRequest } from './runtime-harness.ts';

const request = JSON.parse(process.argv[2] ?? '{}') as GuestRequest;
const own: NamespaceMode = { kind: 'private' };
const warnings: string[] = [];
configureLog({ write: (line) => warnings.push(line) });

const directory = mkdtempSync(join(request.directory, 'run-'));
const at = (name: string) => join(directory, name);
for (const name of ['upper', 'work']) mkdirSync(at(name));
const rootfs = sys().mountOverlay({
  lower: [request.lower],
  upper: at('upper'),
  work: at('work'),
  userxattr: environment().userxattr,
});
const out = openSync(at('stdout'), 'w');
const err = openSync(at('stderr'), 'w');
const abort = new AbortController();
if (request.abortAfter !== undefined) setTimeout(() => abort.abort(), request.abortAfter).unref();
const ownersLog = environment().owners === 'xattr' ? openSync(at('owners'), 'a') : undefined;
const records = () => {
  const found: Record<string, string> = {};
  for (const path of list(at('upper'))) {
    const root = sys().openRoot(join(at('upper'), dirname(path)));
    for (const name of ['owner', 'device']) {
      const value = sys().getXattr(root, Buffer.from(basename(path)), `user.bld.${name}`);
      if (value) found[path] = `${found[path] ? `${found[path]} ` : ''}${value}`;
    }
    closeSync(root);
  }
  return found;
};

const spec: RunSpec = {
  rootfs,
  argv: request.argv,
  env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root', 'LANG=C'],
  cwd: '/',
  uid: 0,
  gid: 0,
  groups: [],
  hostname: 'box',
  mounts: [],
  files: { hosts: '127.0.0.1 localhost\n', resolvConf: 'nameserver 192.0.2.1\n', hostname: 'box\n' },
  capabilities: DEFAULT_CAPABILITIES,
  noNewPrivileges: false,
  seccomp: 'default',
  masked: 'default',
  devices: [],
  rlimits: [],
  resources: {},
  shmSize: 64 << 20,
  umask: 0o022,
  network: { kind: 'none' },
  pid: own,
  ipc: own,
  uts: own,
  cgroup: own,
  tty: false,
  stdio: ['ignore', out, err],
  signal: abort.signal,
  ...(ownersLog !== undefined && { ownersLog }),
  ...request.spec,
};

const list = (path: string): string[] =>
  readdirSync(path, { withFileTypes: true, recursive: true })
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length))
    .sort();
const reply: GuestReply = { exitCode: -1, stdout: '', stderr: '', upper: [], warnings };
try {
  Object.assign(reply, await runCommand(spec));
} catch (error) {
  if (!(error instanceof BldError)) throw error;
  reply.error = { code: error.code, message: error.message, hint: error.hint, exitCode: error.exitCode };
} finally {
  for (const fd of [out, err, rootfs]) closeSync(fd);
  reply.stdout = readFileSync(at('stdout'), 'utf8');
  reply.stderr = readFileSync(at('stderr'), 'utf8');
  reply.upper = list(at('upper'));
  if (ownersLog !== undefined) {
    reply.owners = readFileSync(at('owners'), 'utf8');
    reply.records = records();
  }
  rmSync(directory, { recursive: true, force: true });
}
process.stdout.write(JSON.stringify(reply));
