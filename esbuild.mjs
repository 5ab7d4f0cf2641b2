/**
 * Bundles src/main.ts (the program) and src/index.ts (the library) into dist/.
 *
 * The program is laid out for its start, which is most of what a short command costs. Chunks become CommonJS, for Node
 * begins 6 ms sooner than with modules; those that commands load together are packed in one file, for each file costs
 * 0.2 ms; and each pack has beside it the machine code of the functions that its commands were seen to call here, for
 * compiling them is a third of the time. What does not fit (another Node, a file that is gone) is compiled as usual.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { build, transform } from 'esbuild';

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
      'src/images/pull.ts',
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
const REGISTRY = `const kept=new Map;const registry=require("node:http").createServer(async(asked,answer)=>{
const body=Buffer.concat(await asked.toArray()),{pathname,searchParams}=new URL(asked.url,"http://x"),at=pathname.split("/").pop();
const say=(status,headers,bytes)=>answer.writeHead(status,headers).end(bytes);
const digest="sha256:"+require("node:crypto").createHash("sha256").update(body).digest("hex");
if(pathname==="/v2/")return say(200);
if(asked.method==="POST")return say(202,{location:"/v2/warm/blobs/uploads/one"});
if(asked.method==="PATCH")return kept.set("part",body),say(202,{location:pathname});
if(asked.method==="PUT"){const whole=searchParams.get("digest");kept.set(whole??at,{bytes:whole&&!body.length?kept.get("part"):body,type:asked.headers["content-type"]});
if(!whole)kept.set(digest,kept.get(at));return say(201,{"docker-content-digest":whole??digest})}
const it=kept.get(at);if(!it)return say(404);
say(200,{"content-type":it.type??"application/octet-stream","content-length":it.bytes.length},asked.method==="HEAD"?undefined:it.bytes)})`;

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
  return code.replaceAll('require("./', '__load("./').replace(LAZY, '__lazy(').trim();
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
function __load(id){const known=made[id];if(known)return known.exports;const file=files[id];if(!file)return require(id);
if(!parts[id])open(file);const it=made[id]={exports:{}};parts[id](it,it.exports);return it.exports}
Object.assign(exports,{__load,__lazy,__meta});
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

/** Writes the packs and the chunks that are in none; returns the chunks' places. */
function layOut({ outputs, codes }) {
  const files = {};
  const left = new Map(codes);
  for (const { name, entries } of PACKS) {
    const starts = Object.keys(outputs).filter((path) => entries.includes(outputs[path].entryPoint));
    const mine = [...closure(outputs, starts)].filter((path) => left.has(path));
    const parts = mine.map((path) => `"${idOf(path)}"(module,exports){${left.get(path)}}`);
    const code = `(function(require,__load,__lazy,__meta){return{\n${parts.join(',\n')}}})`;
    // the name tells the content, so that code of another build is never taken for its own
    const file = `${name}-${createHash('sha256').update(code).digest('hex').slice(0, 8)}`;
    writeFileSync(join(OUT, `${file}.js`), code);
    for (const path of mine) {
      files[idOf(path)] = file;
      left.delete(path);
    }
  }
  for (const [path, code] of left) {
    writeFileSync(join(OUT, basename(path)), `const{__load,__lazy,__meta}=require("./main.js");${code}\n`);
  }
  return files;
}

/** Runs each pack's commands and keeps the machine code of what they called. */
function warm(files, programChunk) {
  const scratch = mkdtempSync(join(tmpdir(), 'bld-warm-'));
  writeFileSync(join(scratch, 'Dockerfile'), DOCKERFILE);
  const shown = (word) => word.replace('CONTEXT', scratch).replace('HELPER', HELPER);
  const places = ['--root', join(scratch, 'root'), '--runroot', join(scratch, 'run')];
  const plan = PACKS.map(({ name, warm: lines }) => ({
    file: Object.values(files).find((file) => file.startsWith(`${name}-`)),
    lines: lines.map((words) => [...places, ...words.map(shown)]),
  }));
  // chunks outside of packs get their loader from main.js: here from this
  const script = `${loader(files)}require.cache[__dirname+"/main.js"]=module;(async()=>{const{run,watchInterrupts}=__load(${JSON.stringify(programChunk)});
const env={...process.env,BLD_LOG_LEVEL:"error"},interrupts=watchInterrupts(()=>{});
${REGISTRY};await new Promise((done)=>registry.listen(0,"127.0.0.1",done));
const host="127.0.0.1:"+registry.address().port;
for(const{file,lines}of ${JSON.stringify(plan)}){for(const argv of lines)await run({argv:argv.map((word)=>word.replace("REGISTRY",host)),env,interrupts});
if(scripts[file])fs.writeFileSync(__dirname+"/"+file+".code",scripts[file].createCachedData())}registry.close();registry.closeAllConnections()})()`;
  const file = join(OUT, 'warm.js');
  writeFileSync(file, script);
  const { NODE_OPTIONS: _, ...env } = process.env;
  try {
    execFileSync(existsSync(NODE) ? NODE : process.execPath, [file], {
      stdio: 'ignore',
      env,
      timeout: 60_000,
    });
  } catch (error) {
    console.warn(`bld will start a little slower: ${error.message}`);
  } finally {
    rmSync(file);
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function program() {
  const { outputs, codes } = await chunks();
  const files = layOut({ outputs, codes });
  writeFileSync(join(OUT, 'main.js'), `${loader(files)}__load("./start.js");\n`);
  writeFileSync(join(OUT, 'package.json'), '{"type":"commonjs"}\n');
  const entry = Object.keys(outputs).find((path) => outputs[path].entryPoint === 'src/cli/program.ts');
  warm(files, idOf(entry));
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
