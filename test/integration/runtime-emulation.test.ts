import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GuestRequest, makePlace, type Place, runGuest, ways } from './runtime-harness.ts';

const possible = (await ways()).includes('single');
test.skipIf(possible)('needs root and a user `plain`', ({ skip }) => skip('run as root; useradd plain'));

describe.runIf(possible)('one id that looks like root with all of them', () => {
  let place: Place;
  beforeAll(async () => {
    place = await makePlace('single');
  });
  afterAll(() => place.dispose());
  const run = async (script: string, spec: GuestRequest['spec'] = {}) => {
    const reply = await runGuest(place, { argv: ['sh', '-c', script], spec });
    expect(reply.error).toBeUndefined();
    return reply;
  };

  test('chown is recorded, and stat tells it', async () => {
    const reply = await run(`touch /f; mkdir /d; chown 33:44 /f; chown 5 /d; chown :7 /d
      stat -c '%u:%g' /f /d; find / -xdev -user 33; cd /d; stat -c %u .`);
    expect(reply).toMatchObject({ exitCode: 0, stderr: '', stdout: '33:44\n5:7\n/f\n5\n' });
    expect(reply.records).toEqual({ '/d': '5:7', '/f': '33:44' });
  });

  test('chown of a file of a lower layer copies it up; set-id bits go', async () => {
    const reply = await run("chmod 4755 /bin/busybox; chown 1:1 /bin/busybox; stat -c '%a %u' /bin/busybox");
    expect(reply.stdout).toBe('755 1\n');
    expect(reply.records).toEqual({ '/bin/busybox': '1:1' });
  });

  test('a symlink and a FIFO are noted in the side file', async () => {
    const { owners = '' } = await run('ln -s "a b" "/l %"; chown -h 8:9 "/l %"; mkfifo /p; chown 3:4 /p');
    const lines = owners
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t'));
    expect(lines.map(([, ...rest]) => rest)).toEqual([
      ['8', '9', 'l%20%25'],
      ['3', '4', 'p'],
    ]);
  });

  test('devices are records on empty files', async () => {
    const reply = await run(
      'mknod -m 640 /null c 1 3; mknod /disk b 8 17; stat -c "%F %t:%T %a" /null /disk; cat /null',
    );
    expect(reply.stdout).toBe('character special file 1:3 640\nblock special file 8:11 644\n');
    expect(reply.records).toEqual({ '/disk': 'b:8:17', '/null': 'c:1:3' });
  });

  test('a user of the image: ids, groups, what it makes, what it may not', async () => {
    const reply = await run(
      `id -u; id -g; id -G; touch /tmp/f; mkdir /tmp/d; ln -s x /tmp/l; echo a > /tmp/g; umask 077; touch /tmp/h
      chown 0 /tmp/f || echo refused; (set -C; echo b > /tmp/x); stat -c '%u:%g %a' /tmp/f /tmp/d /tmp/h /tmp/x`,
      { uid: 1000, gid: 1001, groups: [5, 6] },
    );
    expect(reply.stdout).toBe(
      '1000\n1001\n1001 5 6\nrefused\n1000:1001 644\n1000:1001 755\n1000:1001 600\n1000:1001 600\n',
    );
    expect(Object.keys(reply.records ?? {})).toEqual(['/tmp/d', '/tmp/f', '/tmp/g', '/tmp/h', '/tmp/x']);
    expect(reply.owners).toMatch(/^\d+\t1000\t1001\ttmp\/l\n$/);
  });

  test('paths go where the caller sees them', async () => {
    const reply =
      await run(`mkdir -p /jail/bin; cp /bin/busybox /jail/bin/; cp /bin/busybox /jail/bin/chown; touch /jail/f
      /bin/busybox chroot /jail /bin/busybox chown 9:9 /f; exec 7> /open; chown 6:6 /proc/self/fd/7
      ln -s /jail/f /away; chown 4:4 /away; stat -c %u /jail/f`);
    expect(reply.stdout).toBe('4\n');
    expect(reply.records).toEqual({ '/jail/f': '4:4', '/open': '6:6' });
  });

  test('where the kernel refuses a new /proc, it works with the one of outside', async () => {
    // as in a container: something lies over a file of the only /proc
    const hide = `awk '$3 == "proc" && $2 != "/proc" {print $2}' /proc/mounts | xargs -r umount -l
      mount --bind /dev/null /proc/keys; exec "$@"`;
    const argv = [
      'sh',
      '-c',
      'touch /f; chown 5:6 /f; stat -c %u:%g /f; test -e /proc/self/status && echo proc',
    ];
    const reply = await runGuest(place, { argv }, hide);
    expect(reply).toMatchObject({ exitCode: 0, stdout: '5:6\nproc\n', records: { '/f': '5:6' } });
    expect(reply.warnings.join()).toContain('a new /proc is refused here (EPERM)');
  });

  test('the first process cannot be looked into', async () => {
    const reply =
      await run(`for fd in $(ls /proc/1/fd); do readlink /proc/1/fd/$fd; echo x > /proc/1/fd/$fd; done
      cat /proc/1/environ; readlink /proc/1/exe /proc/1/cwd /proc/1/root; cat /proc/1/maps`);
    expect(reply.stdout).toBe('');
  });
});
