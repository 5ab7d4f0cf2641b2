/**
 * Bundles src/main.ts (the program) and src/index.ts (the library) into dist/.
 *
 * The program is laid out for its start, which is most of what a short command costs. Chunks become CommonJS, for Node
 * begins 6 ms sooner than with modules; those that commands load together are packed in one file, for each file costs
 * 0.2 ms; and each pack has beside it the machine code of the functions that its commands were seen to call here, for
 * compiling them is a third of the time. The commands of every script have a pack of their own besides, of just the chunks
 * that they were seen to load. What does not fit (another Node, a file that is gone) is compiled as usual.
 */
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { build, transform } from 'esbuild';
import { plainExports } from './esbuild-exports.mjs';

const ROOT = import.meta.dirname;
const DIST = join(ROOT, 'dist');
/** Takes the place of dist/ when it is whole, so that a bld that runs meanwhile sees the one or the other. */
const OUT = `${DIST}.${process.pid}`;
const HELPER = join(ROOT, 'native/overlay/build/bld-helper');
const NODE = join(ROOT, 'node_modules/node/bin/node');

/**
 * Entries of the module graph that share a file; a chunk that two packs need is in the first. Then what is run, in a
 * store of its own, to see which functions are worth keeping compiled.
 */
const PACKS = [
  {
    name: 'core',
    entries: [
      'src/main.ts',
      'src/cli/program.ts',
      'src/builder/engine.ts',
      ...commands('version images containers'),
    ],
    warm: [['version'], ['images'], ['images', '-q'], ['containers']],
  },
  {
    name: 'state',
    entries: commands('config rm rename tag umount'),
    warm: [
      ['from', '--name', 'warm', 'scratch'],
      ['config', '--env', 'A=b', '--cmd', 'sh', '--label', 'a=b', 'warm'],
      ['rename', 'warm', 'warmer'],
      ['rm', 'warmer'],
    ],
  },
  {
    name: 'verbs',
    entries: commands('from copy add run commit inspect mount rmi'),
    warm: [
      ['from', '--name', 'warm', 'scratch'],
      ['copy', 'warm', '/etc/hostname', '/etc/'],
      // a program that needs no other files; whether it may run here does not matter
      ['copy', 'warm', 'HELPER', '/helper'],
      ['run', 'warm', '/helper'],
      ['inspect', 'warm'],
      ['commit', 'warm', 'warm'],
      ['inspect', '--type', 'image', '--format', '{{.FromImageID}}', 'warm'],
      ['rmi', '--all', '--force'],
    ],
  },
  {
    name: 'transfer',
    entries: [
      ...commands('pull push'),
      'src/images/fetch.ts',
      'src/images/push.ts',
      'src/registry/transport.ts',
    ],
    warm: [
      ['commit', 'warm', 'warm'],
      ['push', '--quiet', 'warm', 'docker://REGISTRY/warm'],
      ['pull', '--quiet', 'docker://REGISTRY/warm'],
      ['rmi', '--all', '--force'],
    ],
  },
  {
    name: 'build',
    entries: commands('build'),
    warm: [
      ['build', '--quiet', '--tag', 'warm', 'CONTEXT'],
      ['build', '--quiet', '--tag', 'warm', 'CONTEXT'],
    ],
  },
];

/**
 * The commands of every script, each with the words to see what it loads by, in an order in which each finds what it
 * needs. `prepare` stands for no pack.
 */
const HOT = [
  ['from', 'from', '--name', 'hot', 'scratch'],
  ['copy', 'copy', 'hot', '/etc/hostname', '/etc/'],
  ['prepare', 'copy', 'hot', 'HELPER', '/helper'],
  ['run', 'run', 'hot', '/helper'],
  ['config', 'config', '--env', 'A=b', '--cmd', 'sh', '--label', 'a=b', 'hot'],
  ['commit', 'commit', 'hot', 'hot'],
  ['push', 'push', '--quiet', 'hot', 'docker://REGISTRY/hot'],
  ['pull', 'pull', '--quiet', 'docker://REGISTRY/hot'],
  ['prepare', 'build', '--quiet', '--tag', 'built', 'CONTEXT'],
  ['build', 'build', '--quiet', '--tag', 'built', 'CONTEXT'],
  ['images', 'images', '-q'],
  ['containers', 'containers'],
  ['inspect', 'inspect', 'hot'],
  ['rm', 'rm', 'hot'],
];
const SAME = { bud: 'build', 'build-using-dockerfile': 'build' };
/** Global flags whose value is the next word. */
const VALUED = ['--root', '--runroot', '--log-level', '--log-format', '--storage-driver', '--cgroup-manager'];

/** What the warming builds: files and settings, for where it runs no command may be allowed. */
const DOCKERFILE = `FROM scratch AS files
ARG NAME=warm
COPY --chown=1:2 Dockerfile /files/
FROM scratch
COPY --from=files /files /files
WORKDIR /files
ENV NAME=\${NAME:-warm} MORE="a b"
LABEL warm=true
EXPOSE 80
CMD ["true"]
`;

/** As much of a registry as the warming needs: it keeps what it is sent. */
async function startRegistry() {
  const kept = new Map();
  const server = createServer(async (asked, answer) => {
    const body = Buffer.concat(await asked.toArray());
    const { pathname, searchParams } = new URL(asked.url, 'http://registry');
    const last = pathname.split('/').pop();
    const say = (status, headers, bytes) => answer.writeHead(status, headers).end(bytes);
    const whole = searchParams.get('digest');
    if (pathname === '/v2/') return say(200);
    if (asked.method === 'POST') return say(202, { location: `${pathname}one` });
    if (asked.method === 'PATCH') {
      kept.set(pathname, { bytes: body });
      return say(202, { location: pathname });
    }
    if (asked.method === 'PUT') {
      const digest = whole ?? `sha256:${createHash('sha256').update(body).digest('hex')}`;
      const bytes = whole && body.length === 0 ? kept.get(pathname).bytes : body;
      const stored = { bytes, type: asked.headers['content-type'] };
      kept.set(digest, stored).set(last, stored);
      return say(201, { 'docker-content-digest': digest });
    }
    const found = kept.get(last);
    if (!found) return say(404);
    const headers = {
      'content-type': found.type ?? 'application/octet-stream',
      'content-length': found.bytes.length,
    };
    say(200, headers, asked.method === 'HEAD' ? undefined : found.bytes);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { host: `127.0.0.1:${server.address().port}`, server };
}

function commands(names) {
  return names
    .split(' ')
    .flatMap((name) => [`src/cli/commands/${name}.ts`, `src/cli/commands/${name}-handler.ts`]);
}

const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

function git(...words) {
  try {
    const stdio = ['ignore', 'pipe', 'ignore'];
    return execFileSync('git', ['-C', ROOT, ...words], { stdio })
      .toString()
      .trim();
  } catch {
    return '';
  }
}

/** The commit's time, so that the same sources give the same bundle. */
function built() {
  const seconds = process.env.SOURCE_DATE_EPOCH || git('log', '-1', '--format=%ct');
  return seconds === '' ? '' : new Date(Number(seconds) * 1000).toISOString();
}

const common = {
  absWorkingDir: ROOT,
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  minify: true,
  external: ['@ltd/j-toml', '*.node'],
  define: {
    BLD_VERSION: JSON.stringify(version),
    BLD_COMMIT: JSON.stringify(git('rev-parse', 'HEAD')),
    BLD_BUILT: JSON.stringify(built()),
  },
  legalComments: 'none',
  logLevel: 'warning',
};

/** Modules of Node's that are loaded when a name of theirs is first used: the others are there anyway. */
const LAZY =
  /(?<=[,\s][\w$]+ ?= ?)require\((?="node:(?:crypto|stream|timers|zlib|url|os|child_process|http|https|net|tls|fs\/promises|readline)[/"])/g;

/** A chunk as the body of a function (module, exports) that gets other chunks by `__load`. */
async function commonJs(source) {
  const { code } = await transform(source, {
    format: 'cjs',
    platform: 'node',
    target: 'node24',
    minify: true,
    supported: { 'dynamic-import': false },
    define: { 'import.meta': '__meta' },
  });
  const own = code.replaceAll('require("./', '__load("./').replace(LAZY, '__lazy(').trim();
  // what `import()` gives is the chunk's exports themselves, not a copy of them
  return plainExports(own.replace(/(then\(\(\)=>)[\w$]+\((__load\("[^"]+"\))\)/g, '$1$2'));
}

/** All chunks that come with these by static imports, themselves included. */
function closure(outputs, starts) {
  const found = new Set();
  const add = (path) => {
    if (found.has(path)) return;
    found.add(path);
    for (const { path: next, kind } of outputs[path].imports) {
      if (kind === 'import-statement' && next in outputs) add(next);
    }
  };
  starts.forEach(add);
  return found;
}

/** What stands before all chunks: `files` tells which pack holds a chunk. */
function loader(files) {
  return `"use strict";const fs=require("node:fs"),{Script}=require("node:vm");
const __meta={dirname:__dirname,filename:__filename,url:"file://"+__filename.split("/").map(encodeURIComponent).join("/")};
const __lazy=(id)=>{let it;return new Proxy({},{get:(_,name)=>(it??=require(id))[name]})};
const files=${JSON.stringify(files)},parts={__proto__:null},made={__proto__:null},scripts={__proto__:null};
function open(name){const filename=__dirname+"/"+name+".js";let cachedData;try{cachedData=fs.readFileSync(__dirname+"/"+name+".code")}catch{}
const script=scripts[name]=new Script(fs.readFileSync(filename,"latin1"),{filename,cachedData});
Object.assign(parts,script.runInThisContext()(require,__load,__lazy,__meta))}
function __load(id){const known=made[id];if(known)return known.exports;const file=files[id];if(!parts[id]){if(!file)return require(id);open(file)}
const it=made[id]={exports:{}};parts[id](it,it.exports);return it.exports}
Object.assign(exports,{__load,__lazy,__meta});
`;
}

/** Opens the pack of the command that was given, if it has one. */
function opener(hot) {
  return `const hot=${JSON.stringify(hot)},valued=${JSON.stringify(VALUED)},words=process.argv.slice(2);let at=0;
while(words[at]?.startsWith("-"))at+=valued.includes(words[at])?2:1;
if(Object.hasOwn(hot,words[at]??""))open(hot[words[at]]);
`;
}

async function chunks() {
  const { outputFiles, metafile } = await build({
    ...common,
    entryPoints: ['src/main.ts'],
    outdir: OUT,
    splitting: true,
    chunkNames: '[name]-[hash]',
    write: false,
    metafile: true,
  });
  const paths = Object.keys(metafile.outputs);
  const codes = await Promise.all(outputFiles.map(({ text }) => commonJs(text)));
  return { outputs: metafile.outputs, codes: new Map(paths.map((path, at) => [path, codes[at]])) };
}

/** What chunks call each other; the program's entry gives its own name to the file that starts it. */
function idOf(path) {
  const name = basename(path);
  return name === 'main.js' ? './start.js' : `./${name}`;
}

/** Writes the chunks as one file; its name. */
function writePack(name, paths, codes) {
  const parts = paths.map((path) => `"${idOf(path)}"(module,exports){${codes.get(path)}}`);
  const code = `(function(require,__load,__lazy,__meta){return{\n${parts.join(',\n')}}})`;
  // the name tells the content, so that code of another build is never taken for its own
  const file = `${name}-${createHash('sha256').update(code).digest('hex').slice(0, 8)}`;
  writeFileSync(join(OUT, `${file}.js`), code);
  return file;
}

/** Writes the packs and the chunks that are in none; returns the chunks' places. */
function layOut({ outputs, codes }) {
  const files = {};
  const left = new Set(codes.keys());
  for (const { name, entries } of PACKS) {
    const starts = Object.keys(outputs).filter((path) => entries.includes(outputs[path].entryPoint));
    const mine = [...closure(outputs, starts)].filter((path) => left.delete(path));
    const file = writePack(name, mine, codes);
    for (const path of mine) files[idOf(path)] = file;
  }
  for (const path of left) {
    const code = `const{__load,__lazy,__meta}=require("./main.js");${codes.get(path)}\n`;
    writeFileSync(join(OUT, basename(path)), code);
  }
  return files;
}

/** A place to run commands in: a store, a registry, a context. Ended with `close`. */
async function openScratch() {
  const directory = mkdtempSync(join(tmpdir(), 'bld-warm-'));
  writeFileSync(join(directory, 'Dockerfile'), DOCKERFILE);
  const { host, server } = await startRegistry();
  const shown = (word) =>
    word.replace('CONTEXT', directory).replace('HELPER', HELPER).replace('REGISTRY', host);
  const places = ['--root', join(directory, 'root'), '--runroot', join(directory, 'run')];
  return {
    argv: (words) => [...places, ...words.map(shown)],
    close() {
      server.close();
      server.closeAllConnections();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/**
 * Runs commands in a process of their own, and keeps the machine code of what they called in the packs named; the chunks
 * that were loaded. `before` is done first.
 */
async function observe({ files, programChunk, before = '' }, lines) {
  const said = join(OUT, 'loaded.json');
  // chunks outside of packs get their loader from main.js: here from this
  const script = `${loader(files)}require.cache[__dirname+"/main.js"]=module;${before}
(async()=>{const{run,watchInterrupts}=__load(${JSON.stringify(programChunk)});
const env={...process.env,BLD_LOG_LEVEL:"error"},interrupts=watchInterrupts(()=>{});
for(const{file,argv}of ${JSON.stringify(lines)}){await run({argv,env,interrupts});
if(scripts[file])fs.writeFileSync(__dirname+"/"+file+".code",scripts[file].createCachedData())}
fs.writeFileSync(${JSON.stringify(said)},JSON.stringify(["./start.js",...Object.keys(made)]));process.exit()})()`;
  const path = join(OUT, 'warm.js');
  writeFileSync(path, script);
  const { NODE_OPTIONS: _, ...env } = process.env;
  try {
    await promisify(execFile)(existsSync(NODE) ? NODE : process.execPath, [path], { env, timeout: 60_000 });
    return JSON.parse(readFileSync(said, 'utf8'));
  } finally {
    rmSync(path);
    rmSync(said, { force: true });
  }
}

/** Runs each pack's commands and keeps the machine code of what they called. */
async function warm(place) {
  const scratch = await openScratch();
  try {
    const lines = PACKS.flatMap(({ name, warm: all }) => {
      const file = Object.values(place.files).find((one) => one.startsWith(`${name}-`));
      return all.map((words) => ({ file, argv: scratch.argv(words) }));
    });
    await observe(place, lines);
  } finally {
    scratch.close();
  }
}

/** Makes a pack for each of the commands that scripts are made of; which file is whose. */
async function warmHot(place, { outputs, codes }) {
  const paths = new Map(Object.keys(outputs).map((path) => [idOf(path), path]));
  const packs = {};
  const first = await openScratch();
  try {
    for (const [name, ...words] of HOT) {
      const loaded = await observe(place, [{ argv: first.argv(words) }]);
      const mine = loaded.map((id) => paths.get(id)).filter((path) => path !== undefined);
      if (name !== 'prepare') packs[name] = writePack(`hot-${name}`, mine, codes);
    }
  } finally {
    first.close();
  }
  const second = await openScratch();
  try {
    for (const [name, ...words] of HOT) {
      const file = packs[name];
      const before = file ? `open(${JSON.stringify(file)});` : '';
      await observe({ ...place, before }, [{ file, argv: second.argv(words) }]);
    }
  } finally {
    second.close();
  }
  const same = Object.entries(SAME).map(([alias, name]) => [alias, packs[name]]);
  return { ...packs, ...Object.fromEntries(same) };
}

async function program() {
  const bundle = await chunks();
  const { outputs } = bundle;
  const files = layOut(bundle);
  writeFileSync(join(OUT, 'package.json'), '{"type":"commonjs"}\n');
  const entry = Object.keys(outputs).find((path) => outputs[path].entryPoint === 'src/cli/program.ts');
  const place = { files, programChunk: idOf(entry) };
  const writeMain = (hot) =>
    writeFileSync(join(OUT, 'main.js'), `${loader(files)}${opener(hot)}__load("./start.js");\n`);
  writeMain({});
  try {
    await warm(place);
    writeMain(await warmHot(place, bundle));
  } catch (error) {
    console.warn(`bld will start a little slower: ${error.message}`);
  }
}

async function library() {
  if (!existsSync(join(ROOT, 'src/index.ts'))) return;
  await build({
    ...common,
    entryPoints: ['src/index.ts'],
    outfile: join(OUT, 'index.mjs'),
    minify: false,
    // packages in CommonJS ask for Node's modules by `require`
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module';\nconst require = __createRequire(import.meta.url);",
    },
  });
}

mkdirSync(OUT);
try {
  await Promise.all([program(), library()]);
  if (existsSync(DIST)) renameSync(DIST, `${OUT}.old`);
  renameSync(OUT, DIST);
} finally {
  for (const path of [OUT, `${OUT}.old`]) rmSync(path, { recursive: true, force: true });
}
