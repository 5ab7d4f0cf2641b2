/** Unpacks a tar (argv 2) into a layer directory (3) of a kind (4, 5) and packs it to a file (6); prints the diffID. */
import { closeSync, createReadStream, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { applyLayer } from '../../src/layers/apply.ts';
import { changes } from '../../src/layers/diff.ts';
import { fileSink, writeLayer } from '../../src/layers/layer.ts';
import { packLayer } from '../../src/layers/pack.ts';

const [tar = '', directory = '', xattrs = '', owners = '', out = ''] = process.argv.slice(2);
const kind = {
  xattrs: xattrs === 'user' ? ('user' as const) : ('trusted' as const),
  owners: owners === 'xattr' ? ('xattr' as const) : ('real' as const),
};
mkdirSync(directory, { recursive: true });
await applyLayer(createReadStream(tar), { directory, ...kind });
const fd = openSync(out, 'w');
const tree = packLayer(changes([join(directory, 'diff')], { kind }));
const { diffId } = await writeLayer(tree, { compression: 'none', sink: fileSink(fd) });
closeSync(fd);
process.stdout.write(diffId);
