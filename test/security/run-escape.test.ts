import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type GuestRequest,
  makePlace,
  type Place,
  runGuest,
  ways,
  writeTree,
} from '../integration/runtime-harness.ts';

const found = await ways();
test.runIf(found.length === 0)('needs root', ({ skip }) => skip('the sandbox is tested as root'));

/** Attacks A89-A107, A118: an image that tries to send mounts and files of bld out of its root. */
describe.runIf(found.includes('root'))('mounts stay in the root file system', () => {
  let place: Place;
  const canary = mkdtempSync(join(tmpdir(), 'bld-canary-'));
  writeFileSync(join(canary, 'file'), 'untouched');
  beforeAll(async () => {
    place = await makePlace('root');
  });
  afterAll(() => {
    place.dispose();
    rmSync(canary, { recursive: true });
  });
  const untouched = () => {
    expect(readdirSync(canary)).toEqual(['file']);
    expect(readFileSync(join(canary, 'file'), 'utf8')).toBe('untouched');
  };
  let trees = 0;
  const tree = (change: (lower: string) => void) => {
    const lower = join(place.directory, `tree${trees++}`);
    writeTree(lower);
    change(lower);
    return lower;
  };
  const run = (script: string, options: { lower?: string; spec?: NonNullable<GuestRequest['spec']> } = {}) =>
    runGuest(place, { argv: ['sh', '-c', script], ...options });

  test.each(['proc', 'sys', 'dev'])(
    'an image whose /%s is a symlink is refused (CVE-2019-19921)',
    async (name) => {
      const lower = tree((path) => {
        rmSync(join(path, name), { recursive: true });
        symlinkSync(canary, join(path, name));
      });
      const reply = await run('true', { lower });
      expect(reply.error).toMatchObject({
        code: 'E_ENVIRONMENT',
        message: expect.stringContaining(`the image's /${name} must be a directory`),
      });
      untouched();
    },
  );

  test.each([`${'../'.repeat(12)}${canary}`, canary])(
    'generated files go where a symlink %s leads inside the root',
    async (target) => {
      const lower = tree((path) => {
        rmSync(join(path, 'etc/hosts'));
        symlinkSync(join(target, 'file'), join(path, 'etc/hosts'));
        rmSync(join(path, 'etc/resolv.conf'));
        symlinkSync(join(target, 'new'), join(path, 'etc/resolv.conf'));
      });
      const reply = await run('cat /etc/hosts /etc/resolv.conf; echo evil > /etc/hosts', { lower });
      expect(reply).toMatchObject({ exitCode: 0, stdout: '127.0.0.1 localhost\nnameserver 192.0.2.1\n' });
      expect(reply.upper.filter((path) => !['/etc', '/tmp'].includes(path))).toEqual([]);
      untouched();
    },
  );

  test('a mount point by a symlink of the image', async () => {
    const lower = tree((path) => symlinkSync(canary, join(path, 'out')));
    const mounts = [{ kind: 'tmpfs', target: '/out/deep', readonly: false }] as const;
    const reply = await run('touch /out/deep/x; ls /out/deep', { lower, spec: { mounts } });
    expect(reply).toMatchObject({ exitCode: 0, stdout: 'x\n' });
    untouched();
  });

  test.each(['/', '/.', '/etc/..', '/proc', '/proc/self', '/proc/sys/kernel'])(
    '%s is no mount point',
    async (target) => {
      const reply = await run('true', { spec: { mounts: [{ kind: 'tmpfs', target, readonly: false }] } });
      expect(reply.error).toMatchObject({
        code: 'E_RUN',
        message: expect.stringMatching(/lies in \/proc|root directory/),
      });
    },
  );

  test('a directory is not mounted on a file, nor a file on a directory', async () => {
    const bind = (source: string, target: string) =>
      run('true', { spec: { mounts: [{ kind: 'bind', source, target, readonly: true, recursive: false }] } });
    expect((await bind('/etc/passwd', '/bin')).error?.message).toContain("mount point '/bin' is a directory");
    expect((await bind('/etc', '/etc/passwd')).error?.message).toContain(
      "mount point '/etc/passwd' is not a directory",
    );
  });

  test('a mount point that the command replaced by a symlink is left alone (CVE-2024-23652)', async () => {
    const lower = tree((path) => mkdirSync(join(path, 'm')));
    const mounts = [{ kind: 'tmpfs', target: '/m/stub', readonly: false }] as const;
    mkdirSync(join(canary, 'stub'));
    const reply = await run(`mv /m /n; ln -s ${canary} /m`, { lower, spec: { mounts } });
    expect(reply.exitCode).toBe(0);
    expect(readdirSync(canary).sort()).toEqual(['file', 'stub']);
    rmSync(join(canary, 'stub'), { recursive: true });
    untouched();
  });

  test.each(['/proc/self/fd/7', '/etc/passwd/x', '/link'])(
    'the working directory %s (CVE-2024-21626)',
    async (cwd) => {
      const lower = tree((path) => symlinkSync(`../../../../..${canary}`, join(path, 'link')));
      const reply = await run('pwd; ls', { lower, spec: { cwd } });
      if (reply.error) expect(reply.error.code).toBe('E_RUN');
      else expect(reply.stdout).toBe(`${canary}\n`);
      untouched();
    },
  );

  test('no device of the machine can be made, whatever the seccomp profile is; harmless ones work', async () => {
    const lower = tree((path) => writeFileSync(join(path, 'dev/null'), 'a file'));
    const script =
      'mknod /disk b 8 0; mknod /mem c 1 1; mknod /fuse c 10 229; mknod /null c 1 3; echo x > /null && echo open; cat /dev/null';
    for (const seccomp of ['default', 'unconfined'] as const) {
      const reply = await run(script, { lower, spec: { seccomp } });
      expect(reply.stdout).toBe('open\n');
      expect(reply.upper).toContain('/null');
      for (const path of ['/disk', '/mem', '/fuse']) expect(reply.upper).not.toContain(path);
    }
  });
});
