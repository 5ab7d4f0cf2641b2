import { readCall, readCheck } from '../build-call.ts';
import { bool, csv, integer, list, text, value } from '../flag.ts';
import {
  compressionFlags,
  decryptionFlags,
  formatFlag,
  platformFlags,
  pullFlags,
  quiet,
  registryFlags,
  runDefaultFlags,
  sbomFlags,
  signingFlags,
  timeFlags,
} from '../flags.ts';
import { defineCommand } from '../spec.ts';
import { readAtLeast, readChoice, readEntitlement, readEpoch, readSpan } from '../values.ts';

const sourceFlags = {
  file: csv('Dockerfile, or - for standard input', { value: 'PATH', short: 'f' }),
  target: text('stage to build (default the last)', { value: 'STAGE' }),
  'build-arg': list('value of an ARG: NAME=VALUE, or NAME to pass a variable on', { value: 'ARG' }),
  'build-arg-file': list('file of NAME=VALUE lines', { value: 'PATH' }),
  'build-context': list(
    'directory, image, stage, or http or git address in place of a stage or image: NAME=VALUE',
    { value: 'CONTEXT' },
  ),
  ignorefile: text('file of patterns to leave out of the context', { value: 'PATH' }),
  from: text('image in place of that of the first FROM', { value: 'IMAGE' }),
  'skip-unused-stages': bool('leave out stages that the target does not need', { fallback: true }),
  'cpp-flag': list('flag for the C preprocessor, which Dockerfiles named *.in pass through', {
    value: 'FLAG',
  }),
  stdin: bool('RUNs read standard input', { unsupported: 'RUNs read nothing' }),
};

const cacheFlags = {
  'no-cache': bool('do all steps anew'),
  'no-cache-filter': csv('do the steps of a stage anew', { value: 'STAGE' }),
  'cache-from': list('steps of other builds: a repository, or type=registry|local,ref=NAME|src=DIR', {
    value: 'CACHE',
    skipsEmpty: true,
  }),
  'cache-to': list(
    'keep the steps: a repository, or type=registry|local|inline,ref=NAME|dest=DIR,mode=min|max',
    {
      value: 'CACHE',
      skipsEmpty: true,
    },
  ),
  'cache-ttl': value('use no step that was done longer ago; 0: none at all', readSpan, { value: 'DURATION' }),
};

// -f is the Dockerfile here
const { short: _, ...format } = formatFlag;

const outputFlags = {
  tag: list('name of the image, or a destination that push knows', { value: 'NAME', short: 't' }),
  iidfile: text("file for the image's id, which is not printed then", { value: 'PATH' }),
  'iidfile-raw': text("file for the image's id without its algorithm", {
    value: 'PATH',
    aliases: ['raw-iidfile'],
  }),
  'metadata-file': text('file for a description of the image (JSON)', { value: 'PATH' }),
  label: list('label of the image: NAME=VALUE', { value: 'LABEL' }),
  unsetlabel: csv('remove a label of the base image', { value: 'NAME' }),
  annotation: list('annotation of the manifest: NAME=VALUE', { value: 'ANNOTATION' }),
  unsetannotation: csv('remove an annotation that comes of itself or from the base', { value: 'NAME' }),
  env: list('variable that each stage starts with: NAME=VALUE, or NAME to pass a variable on', {
    value: 'VARIABLE',
  }),
  unsetenv: csv('remove a variable of the image', { value: 'NAME' }),
  format,
  squash: bool('make one layer of all, the base included', { aliases: ['squash-all'] }),
  logfile: text('file for what the build says', { value: 'PATH' }),
  logsplit: bool('a log file for each platform, named after it too'),
  progress: value(
    'how the build is shown: auto, tty, plain, rawjson or quiet',
    readChoice('auto', 'tty', 'plain', 'rawjson', 'quiet'),
    { value: 'MODE', fallback: 'auto', env: ['BLD_PROGRESS', 'BUILDKIT_PROGRESS'] },
  ),
  quiet: quiet('print the id alone'),
};

export const spec = defineCommand({
  name: 'build',
  aliases: ['bud', 'build-using-dockerfile'],
  group: 'Containers',
  summary: 'Build an image from a Dockerfile',
  description:
    'Builds an image by the steps of a Dockerfile, with the files of a context: a directory, an archive, the address of either or of a git repository (URL.git#ref:subdir), or - for standard input. Steps that were done before, with the same files and settings, are taken from the store. Prints the steps, what they say, and at the end the id of the image.',
  usage: '[flags] [CONTEXT]',
  examples: [
    'bld build -t registry.example.com/team/app:1.0 .',
    'bld build -f Dockerfile.test --target test ~/src/app',
    "bld build 'https://git.example.com/team/app.git?branch=main&subdir=server'",
  ],
  flags: {
    ...registryFlags,
    ...compressionFlags,
    ...decryptionFlags,
    ...timeFlags,
    'source-date-epoch': value('date of the image; context: that of a git or http context', readEpoch, {
      value: 'SECONDS',
      env: ['SOURCE_DATE_EPOCH'],
    }),
    ...sbomFlags,
    ...signingFlags,
    ...pullFlags,
    ...platformFlags,
    ...runDefaultFlags,
    ...sourceFlags,
    ...outputFlags,
    allow: csv(
      'what RUNs may ask for: security.insecure, network.host, device or device=PATH',
      { value: 'ENTITLEMENT' },
      readEntitlement,
    ),
    layers: bool('one layer a step', { fallback: true, env: ['BLD_LAYERS', 'BUILDAH_LAYERS'] }),
    check: value('check the Dockerfile, build nothing: error=true, skip=RULE, format=json', readCheck, {
      value: 'OPTIONS',
      bare: 'true',
    }),
    call: value('what to tell in place of a build: check, outline or targets', readCall, {
      value: 'METHOD[,format=json]',
    }),
    push: bool('push the image to the registries of its names'),
    load: bool('images are always in the store', { hidden: true, ignored: true }),
    ...cacheFlags,
    'require-cached': bool('fail when a step is not in the cache', { env: ['BLD_REQUIRE_CACHED'] }),
    explain: bool('say for a step that is not in the cache what differs from the last time', {
      env: ['BLD_EXPLAIN'],
    }),
    jobs: value('stages that are built at once; 0 is the number of cores', readAtLeast(0), {
      value: 'N',
      fallback: 0,
    }),
    secret: list('secret for RUN --mount=type=secret: id=ID[,src=PATH|,env=NAME]', {
      value: 'SECRET',
      skipsEmpty: true,
    }),
    'fail-on-secret': bool('fail when a layer holds a secret, instead of a warning'),
    ssh: list('agent for RUN --mount=type=ssh and for git: default, ID=SOCKET or ID=KEY[,KEY]', {
      value: 'AGENT',
      skipsEmpty: true,
    }),
    'keep-failed': bool('keep the working container of the stage that failed'),
    rm: bool('working containers go after the build', { fallback: true, hidden: true, ignored: true }),
    'force-rm': bool('working containers go after a failed build too', { hidden: true, ignored: true }),
    compress: bool('layers are always compressed on their way out', { hidden: true, ignored: true }),
    'disable-content-trust': bool('not for this kind of signature', { hidden: true, ignored: true }),
    'inherit-labels': bool('keep the labels of base images', { fallback: true }),
    'inherit-annotations': bool('keep the annotations of the base image'),
    output: list(
      'where it goes besides: a directory, - (a tar), or type=local|tar|oci|docker|registry,dest=PATH,name=NAME',
      { value: 'OUTPUT', short: 'o', skipsEmpty: true },
    ),
    provenance: text('attest how the image was made: true, or mode=min|max,version=v1|v0.2,builder-id=URI', {
      value: 'OPTIONS',
      bare: 'true',
    }),
    sbom: text('attest what is in the image: true, or generator=IMAGE, a scanner as BuildKit has them', {
      value: 'OPTIONS',
      bare: 'true',
    }),
    attest: list('attestation to make: type=provenance or type=sbom, with options as below', {
      value: 'ATTESTATION',
    }),
    manifest: text('manifest list that the images are added to, made when missing', { value: 'NAME' }),
    'all-platforms': bool('build for all platforms that the base images have'),
    mount: list('mount for every RUN, as RUN --mount has it', { value: 'MOUNT' }),
    'hooks-dir': list('directory of OCI hooks', { value: 'PATH', unsupported: 'no hooks are run' }),
    runtime: text('OCI runtime', { value: 'PATH', unsupported: 'RUNs need no other program' }),
    'runtime-flag': csv('flag for the OCI runtime', {
      value: 'FLAG',
      unsupported: 'RUNs need no other program',
    }),
    'no-hosts': bool('leave /etc/hosts of the image alone'),
    'no-hostname': bool('/etc/hostname is always that of the image', { hidden: true, ignored: true }),
    'compat-volumes': bool('throw away what RUNs write to volumes'),
    'save-stages': bool('keep the stages that were built as images without names'),
    'stage-labels': bool('label the image and those of --save-stages with the name and base of their stage'),
    'layer-label': list('label of images between steps: there are none', { value: 'LABEL', ignored: true }),
    'source-policy-file': text('rules for sources', {
      value: 'PATH',
      unsupported: 'there are no source policies',
    }),
    'os-feature': list('operating system feature of the image', { value: 'NAME' }),
    'os-version': text('operating system version of the image', { value: 'VERSION' }),
    cw: text('make a confidential workload', { value: 'OPTIONS', unsupported: 'bld makes plain images' }),
    loglevel: integer('amount of log', { hidden: true, ignored: true }),
  },
  args: { max: 1, after: 'free' },
});
