import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CAPABILITIES } from '../../src/runtime/capabilities.ts';
import { type GuestRequest, makePlace, type Place, runGuest, ways } from '../integration/runtime-harness.ts';

const found = await ways();
test.runIf(found.length === 0)('needs root', ({ skip }) => skip('the sandbox is tested as root'));

/** Attacks A108-A113, A120, A121: what a command has, and what it gets at. */
describe.each(found)('as %s', (as) => {
  let place: Place;
  beforeAll(async () => {
    place = await makePlace(as, (lower) => {
      writeFileSync(join(lower, 'bin/self'), '#!/proc/self/exe\n', { mode: 0o755 });
    });
  });
  afterAll(() => place.dispose());
  const run = (script: string, spec: GuestRequest['spec'] = {}) =>
    runGuest(place, { argv: ['sh', '-c', script], spec });
  const status = async (spec: GuestRequest['spec'] = {}) => {
    const reply = await run('cat /proc/self/status', spec);
    expect(reply.error).toBeUndefined();
    return new Map(reply.stdout.split('\n').map((line) => line.split(/:\s*/) as [string, string]));
  };

  test('capabilities are those of a container of Docker', async () => {
    const of = await status();
    const docker = '00000000a80425fb';
    expect([of.get('CapBnd'), of.get('CapPrm'), of.get('CapEff')]).toEqual([docker, docker, docker]);
    expect([of.get('CapInh'), of.get('CapAmb')]).toEqual(['0000000000000000', '0000000000000000']);
    expect([of.get('Seccomp'), of.get('NoNewPrivs')]).toEqual(['2', '0']);
    expect((await status({ noNewPrivileges: true })).get('NoNewPrivs')).toBe('1');
  });

  test('a user has none', async () => {
    if (as === 'single') return; // there, it is root that looks like a user
    const of = await status({ uid: 1000, gid: 1001, groups: [5, 6] });
    const none = '0000000000000000';
    expect([of.get('CapPrm'), of.get('CapEff'), of.get('CapInh'), of.get('CapAmb')]).toEqual([
      none,
      none,
      none,
      none,
    ]);
    expect([of.get('Uid'), of.get('Gid'), of.get('Groups')?.trim()]).toEqual([
      '1000\t1000\t1000\t1000',
      '1001\t1001\t1001\t1001',
      '5 6',
    ]);
  });

  test('dropped and added', async () => {
    expect((await status({ capabilities: [] })).get('CapEff')).toBe('0000000000000000');
    const all = BigInt(`0x${(await status({ capabilities: CAPABILITIES })).get('CapEff')}`);
    expect(all & (1n << 21n)).not.toBe(0n);
  });

  test('no descriptor but the three streams', async () => {
    const list = await run('ls /proc/$$/fd; :');
    // busybox sh keeps no descriptor of its own
    expect(list.stdout.trim().split(/\s+/)).toEqual(['0', '1', '2']);
  });

  test('no program of bld can be written', async () => {
    const reply = await run(`(/bin/self & p=$!; exec 9< /proc/$p/exe; sleep 1) 2> /dev/null
      for p in /proc/[0-9]*; do n=$(readlink $p/exe) || continue; case $n in *bld-helper*) (echo x >> $p/exe) && echo WRITTEN;; esac; done; true`);
    expect(reply.stdout).not.toContain('WRITTEN');
  });

  test('no environment but its own is to be found', async () => {
    const reply = await run("cat /proc/[0-9]*/environ | tr '\\0' '\\n' | cut -d= -f1 | sort -u");
    expect(reply.stdout.split('\n').filter((name) => /BLD|NODE|SUDO|SSH|USER/.test(name))).toEqual([]);
  });

  test('masked and read-only', async () => {
    const reply =
      await run(`for f in kcore keys timer_list interrupts; do test -s /proc/$f && echo $f; head -c 1 /proc/$f; done
      for d in /proc/acpi /sys/firmware /proc/scsi; do test -d $d && ls $d; done
      for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/sys/kernel/hostname /sys/kernel/mm/ksm/run; do
        test -e $f && (echo x > $f) && echo "wrote $f"; done
      touch /sys/fs/cgroup/x && echo wrote; mkdir /sys/fs/cgroup/x && echo made; true`);
    expect(reply.stdout).toBe('');
  });

  test('what seccomp and capabilities forbid', async () => {
    const reply =
      await run(`mount -t tmpfs none /tmp && echo mounted; umount /proc/sys && echo umounted; hostname x && echo named
      dmesg && echo dmesg; true`);
    expect(reply.stdout).toBe('');
  });
});
