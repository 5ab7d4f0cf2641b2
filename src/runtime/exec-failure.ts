import { closeSync, constants, fstatSync, readSync } from 'node:fs';
import { BldError, isErrno } from '../base/errors.ts';
import { nearest } from '../base/suggest.ts';
import { type Fd, sys } from '../native/sys.ts';
import type { Failure } from './failure.ts';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const HEAD = 64 * 1024;
const PT_INTERP = 3;
/** e_machine of ELF files, by Node's name of the processor. */
const MACHINES: Readonly<Record<number, string>> = {
  3: 'ia32',
  8: 'mips',
  21: 'ppc64',
  22: 's390x',
  40: 'arm',
  62: 'x64',
  183: 'arm64',
  243: 'riscv64',
  258: 'loong64',
};

/** The beginning of a file below the root, or undefined. */
function head(root: Fd, path: string): { readonly bytes: Buffer; readonly mode: number } | undefined {
  let fd: Fd;
  try {
    fd = sys().openIn(root, Buffer.from(path), constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (isErrno(error)) return undefined;
    throw error;
  }
  try {
    const stat = fstatSync(fd);
    const bytes = Buffer.alloc(HEAD);
    const size = stat.isFile() ? readSync(fd, bytes, 0, HEAD, 0) : 0;
    return { bytes: bytes.subarray(0, size), mode: stat.mode };
  } finally {
    closeSync(fd);
  }
}

/** What the kernel runs to run this file: the `#!` program or the ELF loader. */
export function interpreterOf(bytes: Buffer): string | undefined {
  if (bytes.toString('latin1', 0, 2) === '#!') {
    const line = bytes.toString('utf8', 2, 256).split('\n', 1)[0] ?? '';
    return line.trim().split(/[ \t]/, 1)[0];
  }
  if (bytes.toString('latin1', 0, 4) !== '\x7fELF' || bytes.length < 64 || bytes[5] !== 1) return undefined;
  const wide = bytes[4] === 2;
  const table = wide ? Number(bytes.readBigUInt64LE(32)) : bytes.readUInt32LE(28);
  const size = bytes.readUInt16LE(wide ? 54 : 42);
  const count = bytes.readUInt16LE(wide ? 56 : 44);
  for (let i = 0; i < count; i++) {
    const at = table + i * size;
    if (at + 40 > bytes.length) return undefined;
    if (bytes.readUInt32LE(at) !== PT_INTERP) continue;
    const start = wide ? Number(bytes.readBigUInt64LE(at + 8)) : bytes.readUInt32LE(at + 4);
    const end = bytes.indexOf(0, start);
    return start < bytes.length && end > start ? bytes.toString('utf8', start, end) : undefined;
  }
  return undefined;
}

function foreignMachine(bytes: Buffer): string | undefined {
  if (bytes.toString('latin1', 0, 4) !== '\x7fELF' || bytes.length < 20) return undefined;
  const machine = bytes[5] === 2 ? bytes.readUInt16BE(18) : bytes.readUInt16LE(18);
  const name = MACHINES[machine] ?? 'another kind of';
  return name === process.arch ? undefined : name;
}

/** All names in the directories of PATH. */
function* programs(root: Fd, path: string): Generator<string> {
  for (const directory of path.split(':').filter(Boolean)) {
    let fd: Fd;
    try {
      fd = sys().openIn(root, Buffer.from(directory), constants.O_RDONLY | constants.O_DIRECTORY);
    } catch (error) {
      if (isErrno(error)) continue;
      throw error;
    }
    try {
      for (const entry of sys().readDir(fd)) yield entry.name.toString();
    } finally {
      closeSync(fd);
    }
  }
}

function missing(root: Fd, name: string, env: readonly string[]): BldError {
  const path = env.findLast((entry) => entry.startsWith('PATH='))?.slice(5) ?? DEFAULT_PATH;
  const near = nearest(name, programs(root, path));
  return failed(
    `${JSON.stringify(name)} is not in the container's PATH (${path})`,
    near ? `did you mean ${near}?` : 'install the package that has it first, or write its whole path',
  );
}

function failed(message: string, hint?: string): BldError {
  // 1 is Buildah's exit code for a command that cannot be started.
  return new BldError('E_RUN', `cannot run the command: ${message}`, { exitCode: 1, ...(hint && { hint }) });
}

/** Why execve refused, seen from the root file system. `failure.text` is the program's path. */
export function explainExec(failure: Failure, root: Fd, env: readonly string[]): BldError {
  const program = failure.text;
  const shown = JSON.stringify(program);
  if (failure.errno === 'ENOENT' && !program.includes('/')) return missing(root, program, env);
  const file = head(root, program);
  const interpreter = file && interpreterOf(file.bytes);
  switch (failure.errno) {
    case 'ENOENT':
      if (!file) return failed(`${shown} does not exist in the container`);
      if (foreignMachine(file.bytes)) {
        return failed(
          `${shown} is a program for ${foreignMachine(file.bytes)} processors, and the emulator that is registered for these is not in the container`,
          'register it with the F flag of binfmt_misc, as Debian does: apt install qemu-user-static binfmt-support',
        );
      }
      if (!interpreter) break;
      return failed(
        `${shown} exists, but what runs it, ${JSON.stringify(interpreter)}, does not exist in the container`,
        file.bytes[0] === 0x23
          ? 'install the interpreter, or correct the first line of the script'
          : 'the program was built for another C library: link it statically or install that library',
      );
    case 'EACCES':
      if (file && (file.mode & 0o111) === 0) {
        const mode = (file.mode & 0o7777).toString(8).padStart(4, '0');
        return failed(`${shown} is not executable (mode ${mode})`, `make it so: chmod +x ${program}`);
      }
      return failed(`${shown}: permission denied`);
    case 'ENOEXEC': {
      const machine = file && foreignMachine(file.bytes);
      if (machine) {
        return failed(
          `${shown} is a program for ${machine} processors, this one is ${process.arch}`,
          "install emulators (apt install qemu-user-static binfmt-support), or do the work in a stage of the machine's own platform: FROM --platform=$BUILDPLATFORM",
        );
      }
      return failed(
        `${shown} is neither a program nor a script with a #! line`,
        'begin the script with #!/bin/sh',
      );
    }
  }
  return failed(`${shown}: ${failure.errno}`);
}
