import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { idsOf, Package, type RunOptions, SYSCALLS, seccompFilter } from './native-package.ts';

/** Prints the results of native-cases.ts, and the mode. */
const MAIN = `
import(${JSON.stringify(resolve(import.meta.dirname, 'native-cases.ts'))})
  .then(async ({ runCases }) => {
    const { environment } = await import(${JSON.stringify(resolve(import.meta.dirname, '../../src/native/environment.ts'))});
    console.log(JSON.stringify({ mode: environment().mode, results: runCases() }));
  });
`;

interface Report {
  readonly mode: string;
  readonly results: Readonly<Record<string, { readonly failed?: string; readonly skipped?: string }>>;
}

function report(options: RunOptions): Report {
  using box = new Package(MAIN);
  const { code, stdout, stderr } = box.run(options);
  if (code !== 0) throw new Error(`exit ${code}\n${stderr}\n${stdout}`);
  return JSON.parse(stdout) as Report;
}

function describeCases(title: string, mode: string, options: RunOptions | undefined): void {
  describe.skipIf(options === undefined)(title, () => {
    const { mode: found, results } = options ? report(options) : { mode, results: {} };
    test(`the mode is ${mode}`, () => {
      expect(found).toBe(mode);
    });
    for (const [name, { failed, skipped }] of Object.entries(results)) {
      test(name, ({ skip }) => {
        if (skipped !== undefined) skip(skipped);
        expect(failed).toBeUndefined();
      });
    }
  });
}

const root = process.getuid?.() === 0;
describeCases('as root', 'root', root ? {} : undefined);
describeCases('with a range of ids', 'userns', root ? idsOf('tester') : undefined);
describeCases('with one id', 'single', root ? idsOf('plain') : undefined);
for (const [name, errno] of Object.entries({ EPERM: 1, ENOSYS: 38 })) {
  const filter = SYSCALLS && seccompFilter([SYSCALLS.openat2, SYSCALLS.fchmodat2, SYSCALLS.fsopen], errno);
  describeCases(`where newer calls give ${name}`, 'root', root && filter ? { filter } : undefined);
}
