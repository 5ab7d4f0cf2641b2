import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  createReadStream,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Digest, parseDigest } from '../../src/base/digest.ts';
import { applyLayer } from '../../src/layers/apply.ts';
import { changes } from '../../src/layers/diff.ts';
import { fileSink, writeLayer } from '../../src/layers/layer.ts';
import { packLayer } from '../../src/layers/pack.ts';
import { unpackBlob } from '../../src/layers/unpack.ts';
import {
  applied,
  archive,
  dir,
  entriesOf,
  KIND,
  link,
  member,
  packed,
  scratch,
} from '../unit/layers/fixtures.ts';

const ROOT = process.geteuid?.() === 0;
const has = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;

/** Names, types, modes, owners, times, link targets and attributes of a tree, one line each. */
function tree(path: string): string {
  const find = execFileSync('find', ['.', '-mindepth', '1', '-printf', '%p %y %m %U %G %T@ %l %n\\n'], {
    cwd: path,
  });
  const sizes = execFileSync('find', ['.', '-type', 'f', '-printf', '%p %s\\n'], { cwd: path });
  const attributes = execFileSync('getfattr', ['-Rhd', '-m', '-', '-e', 'hex', '.'], { cwd: path });
  const lines = (bytes: Buffer) => bytes.toString('latin1').split('\n').sort().join('\n');
  return lines(find) + lines(sizes) + lines(attributes);
}

function gnuTar(args: readonly string[], input?: Buffer): Buffer {
  return execFileSync('tar', args, { input, maxBuffer: 1 << 28 });
}

/** A directory with much of what a layer can hold. */
function sample(top = scratch()): string {
  const script = `
    mkdir -p d/${'n'.repeat(120)}/${'m'.repeat(120)} empty
    echo data > d/f; ln d/f d/hard; ln -s ../d/f d/soft; ln -s ${'t'.repeat(150)} d/long
    echo deep > d/${'n'.repeat(120)}/${'m'.repeat(120)}/leaf
    mkfifo d/fifo; mknod d/null c 1 3; touch d/su d/ping; chmod 4755 d/su
    chown 1000:1000 d/f; chown 300000:4000000000 d/su; chown -h 12:13 d/soft
    touch -d @8589934592 d/future; touch -d @-1000.5 d/past; touch -d @1234.123456789 d/nano
    setfattr -n user.note -v 0xff00fe0a3d d/f; setcap cap_net_raw+ep d/ping
    printf head > d/sparse; truncate -s 20M d/sparse; printf tail >> d/sparse
    touch "$(printf 'd/\\377bytes')"; chmod 700 empty`;
  execFileSync('bash', ['-ec', script], { cwd: top });
  return top;
}

describe.runIf(ROOT && has('getfattr') && has('setcap'))('GNU tar', () => {
  const xattrs = ['--xattrs', '--xattrs-include=*'];

  test.each([
    ['pax', ['--format=pax']],
    ['gnu', ['--format=gnu']],
    ['pax, sparse 1.0', ['--format=pax', '-S', '--sparse-version=1.0']],
    ['pax, sparse 0.1', ['--format=pax', '-S', '--sparse-version=0.1']],
    ['pax, sparse 0.0', ['--format=pax', '-S', '--sparse-version=0.0']],
    ['gnu, sparse', ['--format=gnu', '-S']],
  ])('its archives unpack to the same tree: %s', async (_, format) => {
    const source = sample();
    const keeps = format.includes('--format=pax');
    const tar = gnuTar([...format, ...(keeps ? xattrs : []), '--sort=name', '-C', source, '-c', '.']);
    const ours = join(await applied(tar), 'diff');
    const theirs = scratch();
    gnuTar(['--warning=no-timestamp', '-x', '-p', '--numeric-owner', ...xattrs, '-C', theirs], tar);
    expect(tree(ours)).toBe(tree(theirs));
    expect(
      spawnSync('diff', ['-r', '--no-dereference', join(ours, 'd'), join(theirs, 'd')], { encoding: 'utf8' })
        .stdout,
    ).not.toMatch(/differ/);
    if (format.includes('-S')) expect(statSync(join(ours, 'd/sparse')).blocks).toBeLessThan(100);
  });

  test('it unpacks ours to the same tree', async () => {
    const source = scratch();
    execFileSync('cp', ['-a', sample(), join(source, 'diff')]);
    const tar = await packed([source]);
    const theirs = scratch();
    gnuTar(['--warning=no-timestamp', '-x', '-p', '--numeric-owner', ...xattrs, '-C', theirs], tar);
    expect(tree(theirs)).toBe(tree(join(source, 'diff')));
    expect(gnuTar(['-t'], tar).toString()).toContain('d/hard\n');
  });
});

describe.runIf(ROOT && has('umoci') && has('skopeo') && has('getfattr'))('umoci', () => {
  const work = mkdtempSync(join(tmpdir(), 'bld-umoci-'));
  let layout = '';
  let layers: readonly { digest: Digest; size: number }[] = [];
  let diffIds: readonly Digest[] = [];

  const blob = (digest: Digest) => join(layout, 'blobs/sha256', digest.slice(7));
  const json = (digest: Digest) => JSON.parse(readFileSync(blob(digest), 'utf8'));

  beforeAll(() => {
    layout = join(work, 'image');
    const umoci = (...args: string[]) => execFileSync('umoci', args, { stdio: 'pipe' });
    umoci('init', '--layout', layout);
    umoci('new', '--image', `${layout}:t`);
    const bundle = join(layout, '../bundle');
    umoci('unpack', '--image', `${layout}:t`, bundle);
    execFileSync('cp', ['-a', `${sample(mkdtempSync(join(work, 'sample-')))}/.`, join(bundle, 'rootfs')]);
    umoci('repack', '--image', `${layout}:t`, bundle);
    execFileSync('rm', ['-rf', bundle]);
    umoci('unpack', '--image', `${layout}:t`, bundle);
    execFileSync('rm', ['-rf', join(bundle, 'rootfs/d/f'), join(bundle, 'rootfs/empty')]);
    writeFileSync(join(bundle, 'rootfs/new'), 'new');
    umoci('repack', '--image', `${layout}:t`, bundle);
    const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'));
    const manifest = json(parseDigest(index.manifests[0].digest));
    layers = manifest.layers;
    diffIds = json(manifest.config.digest).rootfs.diff_ids;
  });

  afterAll(() => rmSync(work, { recursive: true, force: true }));

  test('its layers unpack, and merge to the tree that it unpacks', async () => {
    const stack: string[] = [];
    for (const [index, layer] of layers.entries()) {
      const directory = scratch();
      const [diffId = layer.digest] = diffIds.slice(index);
      const open = () => createReadStream(blob(layer.digest));
      await unpackBlob({
        blob: { mediaType: 'x', ...layer },
        open,
        diffId,
        target: { directory, ...KIND },
        below: stack.map((tree) => join(tree, 'diff')),
      });
      stack.unshift(directory);
    }
    const flat = await applied(await packed(stack, { flatten: true }));
    const theirs = scratch();
    execFileSync('umoci', ['unpack', '--image', `${layout}:t`, join(theirs, 'bundle')], { stdio: 'pipe' });
    // umoci keeps whole seconds where the layer has more
    const seconds = (text: string) => text.replaceAll(/(\d+)\.\d{10}/g, '$1');
    expect(seconds(tree(join(flat, 'diff')))).toBe(seconds(tree(join(theirs, 'bundle/rootfs'))));
    expect(readdirSync(join(flat, 'diff')).sort()).toEqual(['d', 'new']);
  });

  test('it unpacks ours', async () => {
    const directory = await applied(
      archive(dir('d', { mode: 0o2755 }), member('d/f', 'x', { uid: 300_000 }), link('symlink', 's', 'd/f')),
    );
    const made = join(scratch(), 'layer.tar');
    const fd = openSync(made, 'w');
    await writeLayer(packLayer(changes([join(directory, 'diff')], { kind: KIND })), {
      compression: 'none',
      sink: fileSink(fd),
    });
    closeSync(fd);
    const image = join(scratch(), 'image');
    execFileSync('umoci', ['init', '--layout', image]);
    execFileSync('umoci', ['new', '--image', `${image}:t`]);
    execFileSync('umoci', ['raw', 'add-layer', '--image', `${image}:t`, made]);
    const out = scratch();
    execFileSync('umoci', ['unpack', '--image', `${image}:t`, join(out, 'b')], { stdio: 'pipe' });
    expect(tree(join(out, 'b/rootfs'))).toBe(tree(join(directory, 'diff')));
  });
});

describe.runIf(ROOT)('overlay', () => {
  test('the kernel reads our marks, and we read its', async () => {
    const below = await applied(
      archive(dir('d'), member('d/old', '1'), member('gone', '1'), dir('e'), member('e/x', '1')),
    );
    const above = await applied(
      archive(dir('d'), member('d/.wh..wh..opq'), member('d/new', '2'), member('.wh.gone')),
    );
    const top = scratch();
    for (const name of ['diff', 'work', 'merged']) mkdirSync(join(top, name));
    const lower = [join(above, 'diff'), join(below, 'diff')].join(':');
    const options = `lowerdir=${lower},upperdir=${join(top, 'diff')},workdir=${join(top, 'work')}`;
    const script = `mount -t overlay overlay -o ${options} merged
      cd merged; ls -d * */*; rm -r e/x d; mkdir d; echo 3 > d/three; chmod 750 e`;
    const listed = execFileSync('unshare', ['-m', 'bash', '-ec', script], { cwd: top, encoding: 'utf8' });
    expect(listed.trim().split('\n')).toEqual(['d', 'd/new', 'e', 'e/x']);
    const names = (await entriesOf(await packed([top]))).map(({ header }) => header.path.toString());
    expect(names).toEqual(['d/', 'd/.wh..wh..opq', 'd/three', 'e/', 'e/.wh.x']);
  });

  test('applyLayer leaves nothing but the layer in its directory', async () => {
    const directory = scratch();
    await applyLayer((async function* () {})(), { directory, ...KIND });
    expect(readdirSync(directory)).toEqual(['diff']);
  });
});
