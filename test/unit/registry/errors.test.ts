import { describe, expect, test } from 'vitest';
import {
  isTransient,
  NetworkFailure,
  networkError,
  parseProblems,
  RegistryError,
} from '../../../src/registry/errors.ts';

describe('parseProblems', () => {
  test('reads the forms that are met', () => {
    expect(parseProblems('{"errors":[{"code":"DENIED","message":"no"},null,7,{"code":"X"}]}')).toEqual([
      { code: 'DENIED', message: 'no' },
      { code: 'X', message: '' },
    ]);
    expect(parseProblems('{"error":"invalid_grant","error_description":"d"}')).toEqual([
      { code: 'invalid_grant', message: 'd' },
    ]);
    expect(parseProblems('{"details":"incorrect username or password"}')).toEqual([
      { code: '', message: 'incorrect username or password' },
    ]);
  });
  test.each(['', '<html>', 'null', '7', '{}', '{"errors":"x"}', '{"errors":{}}'])('nothing in %s', (body) => {
    expect(parseProblems(body)).toEqual([]);
  });
  test('texts are made harmless and short', () => {
    const [problem] = parseProblems(
      JSON.stringify({
        errors: [{ code: 'A\u001b[2J', message: `see https://u:p@h/?t=1 ${'x'.repeat(9999)}` }],
      }),
    );
    expect(problem?.code).toBe('A\\x1b[2J');
    expect(problem?.message).toMatch(/^see https:\/\/h\/\?t=\*\*\* x+$/);
    expect(problem?.message.length).toBeLessThan(600);
  });
});

test('what may be tried again', () => {
  const status = (code: number) => new RegistryError('E_REGISTRY', 'm', { status: code, problems: [] });
  expect([429, 500, 503].map(status).every(isTransient)).toBe(true);
  expect([400, 401, 404].map(status).some(isTransient)).toBe(false);
  expect(isTransient(new NetworkFailure('m', 'ECONNRESET'))).toBe(true);
  expect(isTransient(networkError(new NetworkFailure('m', 'ECONNRESET'), 'w', 'h'))).toBe(true);
  for (const code of [
    'ENOTFOUND',
    'CERT_HAS_EXPIRED',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'ERR_TLS_CERT_ALTNAME_INVALID',
  ]) {
    expect(isTransient(new NetworkFailure('m', code)), code).toBe(false);
  }
  expect(isTransient(new Error('defect'))).toBe(false);
});

test('network errors name the cause and the way out', () => {
  const told = (message: string, code: string) =>
    networkError(new NetworkFailure(message, code), 'blob', 'r:1');
  expect(told('', 'ECONNREFUSED')).toMatchObject({ code: 'E_NETWORK', message: 'blob: ECONNREFUSED' });
  expect(told('Bad response: 407', '')).toMatchObject({ message: 'blob: the proxy answered HTTP 407' });
  expect(told('x:error:1:SSL routines:f:wrong version number:y', 'EPROTO')).toMatchObject({
    message: 'blob: TLS: wrong version number',
    hint: expect.stringContaining('--tls-verify=false'),
  });
  expect(told('self-signed certificate', 'DEPTH_ZERO_SELF_SIGNED_CERT')).toMatchObject({
    hint: expect.stringContaining('/etc/containers/certs.d/r:1/ca.crt'),
  });
});
