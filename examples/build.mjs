// The library: a Dockerfile for two platforms, built in one process; the index goes into an OCI layout.
// As root: `node examples/build.mjs OCI-DIRECTORY`; rootless: `bld unshare node examples/build.mjs OCI-DIRECTORY`.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, open } from 'bld';

const [directory = '/tmp/build-image'] = process.argv.slice(2);
const dockerfile = `FROM scratch
ARG TARGETARCH
COPY $TARGETARCH /platform
`;
using engine = await open();
const context = await mkdtemp(join(tmpdir(), 'context-'));
try {
  await writeFile(join(context, 'Dockerfile'), dockerfile);
  for (const name of ['amd64', 'arm64']) await writeFile(join(context, name), `made for ${name}\n`);
  const made = await build(
    engine,
    { context },
    {
      names: ['build-example'],
      platforms: [
        { os: 'linux', architecture: 'amd64' },
        { os: 'linux', architecture: 'arm64' },
      ],
      destinations: [{ location: `oci:${directory}:latest` }],
      commit: { timestamp: 0 },
      onEvent: (event) => event.kind === 'step' && console.log(event.stage.platform, event.text),
    },
  );
  console.log(made.manifest);
} finally {
  await rm(context, { recursive: true });
}
