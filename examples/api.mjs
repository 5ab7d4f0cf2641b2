// The library: the same verbs, typed, in one process.
// As root: `node examples/api.mjs OCI-DIRECTORY`; rootless: `bld unshare node examples/api.mjs OCI-DIRECTORY`.
import { commit, config, copy, from, open, push, remove, run } from 'bld';

const [directory = '/tmp/api-image'] = process.argv.slice(2);
using engine = await open({ cache: true });
const container = await from(engine, process.env.BASE ?? 'scratch');
try {
  await copy(container, ['README.md'], '/app/', { chown: '1000:1000' });
  if (process.env.BASE) await run(container, ['sh', '-c', 'cat /app/README.md | wc -l > /app/lines']);
  await config(container, { workingDir: '/app', user: '1000:1000', labels: { made: 'by a program' } });
  const image = await commit(container, 'api-example');
  await push(engine, 'api-example', `oci:${directory}:latest`);
  console.log(image.id);
} finally {
  await remove(container);
}
