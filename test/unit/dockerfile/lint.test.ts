// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles look like this
import { describe, expect, test } from 'vitest';
import { parseIgnoreFile } from '../../../src/dockerfile/ignore.ts';
import { type BaseImage, formatWarning, type LintOptions, lintFile } from '../../../src/dockerfile/lint.ts';
import { LINT_RULES } from '../../../src/dockerfile/lint-rules.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };
const PLATFORMS = { buildPlatform: AMD64, targetPlatform: AMD64 };

function lint(text: string, options: Partial<LintOptions> = {}) {
  return lintFile(text, 'Dockerfile', { ...PLATFORMS, ...options });
}

function rules(text: string, options: Partial<LintOptions> = {}): string[] {
  return lint(text, options).warnings.map(({ rule, place }) => `${place.range.start.line} ${rule}`);
}

const CASES: readonly (readonly [text: string, ...found: string[]])[] = [
  ['FROM scratch AS App\n', '1 StageNameCasing'],
  ['FROM scratch as app\n', '1 FromAsCasing'],
  ['from scratch AS app\nrun x\n', '1 FromAsCasing'],
  ['FROM scratch\nRUN a \\\n\n  b\n', '4 NoEmptyContinuation'],
  ['FROM scratch\nRUN a \\\n# fine\n  b\n'],
  ['FROM scratch\nRun a\nRUN b\n', '2 ConsistentInstructionCasing'],
  ['arg A=1\nFROM scratch\nUSER a\n', '1 ConsistentInstructionCasing'],
  ['FROM scratch AS a\nFROM scratch AS a\n', '2 DuplicateStageName'],
  ['FROM scratch AS context\n', '1 ReservedStageName'],
  ['FROM scratch\nCMD run it\n', '2 JSONArgsRecommended'],
  ['FROM scratch\nSHELL ["/sh"]\nCMD run it\n'],
  ['FROM scratch AS a\nSHELL ["/sh"]\nFROM a\nENTRYPOINT run it\n'],
  ['FROM scratch\nMAINTAINER me\n', '2 MaintainerDeprecated'],
  ['ARG VERSOIN=1\nFROM alpine:${VERSION:-3}\n', '2 UndefinedArgInFrom'],
  ['FROM scratch\nWORKDIR a\nWORKDIR b\n', '2 WorkdirRelativePath'],
  ['FROM scratch\nWORKDIR /a\nWORKDIR b\n'],
  ['FROM scratch\nUSER $NOBODY\n', '2 UndefinedVar'],
  ['FROM scratch\nARG NOBODY\nUSER $NOBODY\nRUN $SHELLS_OWN\n'],
  ['FROM unknown\nUSER $MAYBE_SET_THERE\n'],
  [
    'FROM scratch\nCMD ["a"]\nCMD ["b"]\nCMD ["c"]\n',
    '2 MultipleInstructionsDisallowed',
    '3 MultipleInstructionsDisallowed',
  ],
  ['FROM scratch\nENV a b\nLABEL "c d"=e\n', '2 LegacyKeyValueFormat'],
  ['FROM --platform=${TARGETPLATFORM} scratch\n', '1 RedundantTargetPlatform'],
  ['FROM --platform=linux/arm64 scratch\n', '1 FromPlatformFlagConstDisallowed'],
  ['FROM --platform=linux/arm64 scratch AS build-arm64\n'],
  ['FROM scratch\nARG DB_PASSWORD\nENV A=1 TOKEN=2\n', '2 SecretsUsedInArgOrEnv', '3 SecretsUsedInArgOrEnv'],
  ['FROM scratch\nARG PUBLIC_KEY\nARG TOKENS\nENV KEYBOARD=x\n'],
  ['ARG TAG\nFROM alpine:$TAG\n', '2 InvalidDefaultArgInFrom'],
  ['FROM scratch\nEXPOSE 80/TCP 1.2.3.4:80:80\n', '2 ExposeProtoCasing', '2 ExposeInvalidFormat'],
  ['# other words\nFROM scratch AS a\n'],
  [
    '# check=experimental=all\n\n# other words\nFROM scratch AS a\n# V the version\nARG V\n',
    '4 InvalidDefinitionDescription',
  ],
  [
    '# check=skip=JSONArgsRecommended,FromAsCasing\nFROM scratch as a\nCMD run it\nUSER $X\n',
    '4 UndefinedVar',
  ],
  ['# check=skip=all\nFROM scratch as A\n'],
];

test.each(CASES)('%j', (text, ...found) => {
  expect(rules(text)).toEqual(found);
});

test('every rule that needs no outside knowledge has a case', () => {
  const seen = new Set(CASES.flatMap(([, ...found]) => found.map((one) => one.split(' ')[1])));
  const missing = Object.keys(LINT_RULES).filter((rule) => !seen.has(rule));
  expect(missing).toEqual(['InvalidBaseImagePlatform', 'CopyIgnoredFile']);
});

describe('knowledge from outside', () => {
  const image: BaseImage = {
    platform: { os: 'linux', architecture: 'arm64' },
    environment: ['PATH=/bin', 'KNOWN=1'],
    hasShell: true,
  };

  test('the base image', () => {
    const found = rules('FROM img\nUSER $KNOWN$UNKNOWN\nCMD x\n', { baseImage: () => image });
    expect(found).toEqual(['1 InvalidBaseImagePlatform', '2 UndefinedVar']);
  });

  test('the ignore file', () => {
    const ignore = parseIgnoreFile('*.log\n', '.dockerignore');
    const text =
      'FROM scratch AS a\nFROM scratch\nCOPY ./x.log y /d/\nCOPY --from=a /x.log /\nADD https://h/x.log /\nADD x.log /\n';
    expect(rules(text, { ignore })).toEqual(['3 CopyIgnoredFile', '6 CopyIgnoredFile']);
  });

  test('a build argument takes the place of the directive', () => {
    const buildArgs = new Map([['BUILDKIT_DOCKERFILE_CHECK', 'skip=all;error=true']]);
    expect(rules('# check=skip=none\nFROM scratch as A\n', { buildArgs })).toEqual([]);
  });
});

describe('reports', () => {
  test('all wrong instructions, not the first alone', () => {
    const { errors } = lint('FROM scratch\nRUNN a\nCOPY b\nUSER c\n');
    expect(errors.map(({ message }) => message.split('\n')[0])).toEqual([
      'Dockerfile:2: unknown instruction: RUNN (did you mean RUN?)',
      'Dockerfile:3: COPY requires at least two arguments, but only one was provided. Destination could not be determined',
    ]);
  });

  test('a file that cannot be read at all', () => {
    expect(lint('').errors.map(({ code }) => code)).toEqual(['E_DOCKERFILE']);
    expect(lint('# check=nonsense\nFROM scratch').errors[0]?.message).toContain(
      'invalid check option "nonsense"',
    );
  });

  test('warnings fail where the file says so', () => {
    expect(lint('# check=error=true\nFROM scratch as a\n').isViolation).toBe(true);
    expect(lint('# check=error=true\nFROM scratch AS a\n').isViolation).toBe(false);
    expect(lint('FROM scratch as a\n').isViolation).toBe(false);
  });

  test('the text of a warning', () => {
    const [warning] = lint('# a comment\nFROM scratch \\\n  # why\n  as app\nUSER a\n').warnings;
    expect(warning && formatWarning(warning).split('\n').slice(1)).toEqual([
      "'as' and 'FROM' keywords' casing do not match",
      '',
      'Dockerfile:2',
      ' 1 |     # a comment',
      ' 2 | >>> FROM scratch \\',
      ' 3 | >>>   # why',
      ' 4 | >>>   as app',
      '   |       ^^',
      ' 5 |     USER a',
    ]);
  });
});
