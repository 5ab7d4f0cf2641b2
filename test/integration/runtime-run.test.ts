import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GuestRequest, makePlace, type Place, runGuest, ways } from './runtime-harness.ts';

const found = await ways();
test.runIf(found.length === 0)('needs root', ({ skip }) =>
  skip('the sandbox is tested as root, and from there as other users'),
);

describe.each(found)('as %s', (as) => {
  let place: Place;
  beforeAll(async () => {
    place = await makePlace(as);
  });
  afterAll(() => place.dispose());

  const shell = (script: string, spec: GuestRequest['spec'] = {}) =>
    runGuest(place, { argv: ['sh', '-c', script], spec });
  const lines = async (script: string, spec: GuestRequest['spec'] = {}) => {
    const reply = await shell(script, spec);
    expect(reply.error).toBeUndefined();
    expect(reply.stderr).toBe('');
    return reply.stdout.trimEnd().split('\n');
  };

  test('streams and exit code', async () => {
    const reply = await shell('echo out; echo err >&2; exit 7');
    expect(reply).toMatchObject({ exitCode: 7, stdout: 'out\n', stderr: 'err\n', warnings: [] });
  });

  test('a signal is 128 + n', async () => {
    expect(await shell('kill -SEGV $$')).toMatchObject({ exitCode: 139, signal: 11 });
  });

  test('the environment is what was given', async () => {
    expect(await lines('env', { env: ['A=1', 'PATH=/bin', 'EMPTY='] })).toEqual(
      expect.arrayContaining(['A=1', 'PATH=/bin', 'EMPTY=']),
    );
    expect(
      (await lines('env | cut -d= -f1 | sort')).filter((name) => /NODE|BLD|SUDO|XDG/.test(name)),
    ).toEqual([]);
  });

  test('the listing of /dev', async () => {
    const names = 'fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero';
    expect(await lines('ls /dev | grep -vx core')).toEqual(names.split(' '));
    expect(await lines('echo x > /dev/null; head -c 3 /dev/zero | wc -c; test -t 0 || echo no tty')).toEqual([
      '3',
      'no tty',
    ]);
  });

  test('mounts, as Docker has them', async () => {
    const mounts = await lines("cut -d' ' -f1-4 /proc/mounts");
    const expectMount = (path: string, type: string, ...flags: string[]) => {
      const [, , shownType, options = ''] =
        mounts.findLast((line) => line.split(' ')[1] === path)?.split(' ') ?? [];
      expect([path, shownType]).toEqual([path, type]);
      expect(options.split(',')).toEqual(expect.arrayContaining(flags));
    };
    expectMount('/', 'overlay', 'rw');
    expectMount('/proc', 'proc', 'nosuid', 'nodev', 'noexec');
    expectMount('/sys', 'sysfs', 'ro', 'nosuid', 'nodev', 'noexec');
    expectMount('/dev', 'tmpfs', 'nosuid');
    expectMount('/dev/pts', 'devpts', 'nosuid', 'noexec');
    expectMount('/dev/shm', 'tmpfs', 'nosuid', 'nodev', 'noexec', 'size=65536k');
    expectMount('/dev/mqueue', 'mqueue', 'nosuid', 'nodev', 'noexec');
    expectMount('/proc/sys', 'proc', 'ro');
  });

  test('hosts, resolv.conf and hostname are there and leave nothing', async () => {
    const reply = await shell(
      'cat /etc/hosts /etc/resolv.conf /etc/hostname; hostname; echo more >> /etc/hosts',
    );
    expect(reply.stdout).toBe('127.0.0.1 localhost\nnameserver 192.0.2.1\nbox\nbox\n');
    expect(reply.upper).toEqual([]);
  });

  test('umask, limits, shm size', async () => {
    const rlimits = [{ name: 'nofile', soft: 100, hard: 200 }];
    const script = "umask; ulimit -n; ulimit -Hn; grep /dev/shm /proc/mounts | grep -o 'size=[0-9]*k'";
    expect(await lines(script, { umask: 0o077, rlimits, shmSize: 1 << 20 })).toEqual([
      '0077',
      '100',
      '200',
      'size=1024k',
    ]);
  });

  test('a limit above ours stays at ours', async () => {
    const [hard = ''] = await lines('ulimit -Hn', {
      rlimits: [{ name: 'nofile', soft: 2 ** 30, hard: 2 ** 30 }],
    });
    expect(Number(hard)).toBeGreaterThan(0);
  });

  test('the working directory is made', async () => {
    const reply = await shell('pwd; stat -c %a .', { cwd: '/a/b' });
    expect(reply).toMatchObject({ exitCode: 0, stdout: '/a/b\n755\n', upper: ['/a', '/a/b'] });
  });

  test('mounts: bind, tmpfs, and their mount points go again', async () => {
    const reply = await shell(
      'cat /host/etc/passwd | head -1; touch /host/x || echo ro; touch /t/y; ls /t; mount | grep " /t "',
      {
        mounts: [
          { kind: 'tmpfs', target: '/t', size: 1 << 20, mode: 0o700, readonly: false, options: ['noexec'] },
          { kind: 'bind', source: place.lower, target: '/host', readonly: true, recursive: true },
        ],
      },
    );
    expect(reply.stdout).toMatch(/^root:.*\nro\ny\ntmpfs on \/t type tmpfs \(.*noexec.*size=1024k,mode=700/);
    expect(reply.upper).toEqual([]);
  });

  test('mount points that are not empty stay, and all with keepMountPoints', async () => {
    const mounts = [{ kind: 'tmpfs', target: '/m/deep', readonly: false }] as const;
    expect((await shell('touch /m/file', { mounts, files: {} })).upper).toEqual(['/m', '/m/file']);
    expect((await shell('true', { mounts, files: {}, keepMountPoints: true })).upper).toEqual([
      '/m',
      '/m/deep',
    ]);
  });

  test('the process namespace is our own', async () => {
    const processes = await lines("ps -o pid,args | grep -v PID | grep -v 'ps -o'");
    expect(processes[0]?.trim()).toMatch(/^1 .*bld-helper/);
  });

  test('commands that cannot start', async () => {
    const start = async (...argv: string[]) => (await runGuest(place, { argv })).error;
    expect(await start('slepe')).toMatchObject({
      code: 'E_RUN',
      exitCode: 1,
      message: expect.stringContaining('"slepe" is not in'),
      hint: 'did you mean sleep?',
    });
    expect(await start('/nowhere')).toMatchObject({
      code: 'E_RUN',
      exitCode: 1,
      message: expect.stringContaining('does not exist'),
    });
    expect(await start('/etc/passwd')).toMatchObject({
      exitCode: 1,
      message: expect.stringContaining('not executable (mode 0644)'),
    });
  });

  test('an aborted run ends', async () => {
    const reply = await runGuest(place, { argv: ['sleep', '1000'], abortAfter: 200 });
    expect(reply.error).toMatchObject({ code: 'E_CANCELLED', exitCode: 130 });
  });
});
