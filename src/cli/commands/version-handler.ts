import { arch, platform } from 'node:os';
import { IMAGE_SPEC, identity, RUNTIME_SPEC } from '../identity.ts';
import { json, lines } from '../output.ts';
import type { Handler } from '../spec.ts';
import type { spec } from './version.ts';

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', mipsel: 'mipsle' };

/** Buildah's fields, with Node's version where Buildah has Go's. */
export const handle: Handler<typeof spec.flags> = (_, options) => {
  const { version, commit, built } = identity();
  const here = `${platform()}/${ARCHITECTURES[arch()] ?? arch()}`;
  const fields = [
    ['Version', 'version', version],
    ['Node Version', 'nodeVersion', process.version],
    ['Image Spec', 'imageSpec', IMAGE_SPEC],
    ['Runtime Spec', 'runtimeSpec', RUNTIME_SPEC],
    ['Git Commit', 'gitCommit', commit],
    ['Built', 'built', built],
    ['OS/Arch', 'osArch', here],
    ['BuildPlatform', 'buildPlatform', here],
  ] as const;
  if (options.json) return json(Object.fromEntries(fields.map(([, key, value]) => [key, value])));
  return lines(fields.map(([title, , value]) => `${`${title}:`.padEnd(17)}${value}`.trimEnd()));
};
