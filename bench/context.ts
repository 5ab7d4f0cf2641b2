import { mkdirSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { noise, prose } from './noise.ts';

const FILES = 2400;
const DIRECTORIES = 48;
const MEAN = 7900;
const MIB = 1024 * 1024;

/** 2,400 files in 48 directories, 19 MB. */
export function makeSmallFiles(context: string): void {
  const text = prose('small');
  const sizes = noise('sizes')(FILES * 2);
  for (let index = 0; index < FILES; index++) {
    const directory = join(context, 'small', `d${index % DIRECTORIES}`);
    if (index < DIRECTORIES) mkdirSync(directory, { recursive: true });
    const size = 1 + (sizes.readUInt16LE(index * 2) * MEAN * 2) / 65_536;
    writeFileSync(join(directory, `f${index}`), text(Math.floor(size)));
  }
}

/** So many files of one line, a hundred in a directory. */
function makeTinyFiles(root: string, count: number): void {
  for (let index = 0; index < count; index++) {
    const directory = join(root, `d${Math.floor(index / 10_000)}`, `e${Math.floor(index / 100) % 100}`);
    if (index % 100 === 0) mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `f${index}.js`), `module.exports = ${index};\n`);
  }
}

/** A context of one file that is wanted and 50,000 that .dockerignore leaves out. */
export function makeIgnoredFiles(context: string): void {
  makeTinyFiles(join(context, 'ignored/node_modules'), 50_000);
  writeFileSync(join(context, 'ignored/.dockerignore'), 'node_modules\n');
  writeFileSync(join(context, 'ignored/app.js'), 'require("./nothing");\n');
}

/** A context of 100,000 files. */
export function makeManyFiles(context: string): void {
  makeTinyFiles(join(context, 'many'), 100_000);
}

/** 1 GiB that does not compress. */
export async function makeLargeFile(context: string): Promise<void> {
  const random = noise('large');
  await using file = await open(join(context, 'large'), 'w');
  for (let written = 0; written < 1024; written += 4) await file.writeFile(random(4 * MIB));
}
