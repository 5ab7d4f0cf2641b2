import { describe, expect, test } from 'vitest';
import { redactHeaders, redactText, redactUrl } from '../../../src/registry/redact.ts';

describe('redactUrl', () => {
  test.each([
    ['https://u:p@host:1/v2/a?digest=sha256:1#f', 'https://host:1/v2/a?digest=sha256:1'],
    ['https://s3/x?X-Amz-Signature=abc&n=1', 'https://s3/x?X-Amz-Signature=***&n=1'],
    ['https://h/t?token=a&token=b', 'https://h/t?token=***&token=***'],
    ['nonsense', '<malformed URL>'],
  ])('%s', (address, shown) => expect(redactUrl(address)).toBe(shown));
});

test('addresses inside a text are redacted, control characters escaped', () => {
  expect(redactText('request to http://u:p@h/x?sig=1 failed \u001b[31m')).toBe(
    'request to http://h/x?sig=*** failed \\x1b[31m',
  );
});

test('headers are shown by an allow-list', () => {
  expect(
    redactHeaders([
      ['Authorization', 'Basic eA=='],
      ['Range', 'bytes=1-'],
      ['X-New-Secret', 'x'],
    ]),
  ).toEqual(['Authorization: ***', 'Range: bytes=1-', 'X-New-Secret: ***']);
});
