import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const AUTHORITIES = '/etc/ssl/certs/ca-certificates.crt';

const PACKAGE = {
  name: 'shop',
  version: '1.0.0',
  private: true,
  dependencies: {
    express: '4.21.2',
    lodash: '4.17.21',
    react: '18.3.1',
    'react-dom': '18.3.1',
    winston: '3.17.0',
  },
};

const TOOL = `#include <stdio.h>
int main(void) { puts("compiled"); return 0; }
`;

const BUILD = `const lodash = require('lodash');
require('fs').writeFileSync('bundle.js', lodash.range(1000).map((n) => 'f(' + n + ');').join('\\n'));
`;

/** The Dockerfile of the web application: a compiler from Debian, packages from npm, and an image with neither. */
export const WEB_DOCKERFILE = `FROM $DEBIAN AS compiler
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev
COPY tool.c /src/
RUN gcc -O2 -o /usr/local/bin/tool /src/tool.c

FROM $DEBIAN AS web
COPY runtime /usr/local
ENV PATH=/usr/local/bin:/usr/bin:/bin
WORKDIR /app
COPY package.json package-lock.json authorities.crt ./
RUN node /usr/local/npm/bin/npm-cli.js ci --no-audit --no-fund --cafile authorities.crt
COPY src ./src
RUN node src/build.js

FROM $DEBIAN
COPY runtime/bin /usr/local/bin
COPY --from=compiler /usr/local/bin/tool /usr/local/bin/
COPY --from=web /app /app
ENV NODE_ENV=production
WORKDIR /app
USER 1000:1000
CMD ["node", "bundle.js"]`;

/** A small web application with its lock file, and the Node.js and npm that build it. Needs the npm registry. */
export function makeWebApplication(context: string): void {
  const root = join(context, 'web');
  mkdirSync(join(root, 'src'), { recursive: true });
  mkdirSync(join(root, 'runtime/bin'), { recursive: true });
  writeFileSync(join(root, 'package.json'), JSON.stringify(PACKAGE));
  writeFileSync(join(root, 'tool.c'), TOOL);
  writeFileSync(join(root, 'src/build.js'), BUILD);
  if (existsSync(AUTHORITIES)) cpSync(AUTHORITIES, join(root, 'authorities.crt'));
  else writeFileSync(join(root, 'authorities.crt'), '');
  cpSync(process.execPath, join(root, 'runtime/bin/node'), { dereference: true });
  const npm = spawnSync('sh', ['-c', 'readlink -f "$(command -v npm)"'], { encoding: 'utf8' }).stdout.trim();
  if (npm === '') throw new Error('the web application needs npm');
  cpSync(dirname(dirname(npm)), join(root, 'runtime/npm'), { recursive: true });
  const lock = spawnSync('npm', ['install', '--package-lock-only', '--no-audit', '--no-fund'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (lock.status !== 0) throw new Error(`npm makes no lock file: ${lock.stderr}`);
}
