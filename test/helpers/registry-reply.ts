import { createHash } from 'node:crypto';

/** What a test registry answers, before faults. */
export interface Reply {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

/** The digest of bytes, as registries write it. */
export function sha256(bytes: Uint8Array | string): `sha256:${string}` {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** A refusal as the distribution specification writes it. */
export function problem(status: number, code: string, message: string): Reply {
  const body = Buffer.from(JSON.stringify({ errors: [{ code, message, detail: null }] }));
  return { status, headers: { 'content-type': 'application/json; charset=utf-8' }, body };
}

export function reply(
  status: number,
  headers: Record<string, string> = {},
  body: Buffer | string = '',
): Reply {
  return { status, headers, body: Buffer.from(body) };
}
