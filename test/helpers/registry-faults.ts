import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Reply } from './registry-reply.ts';

/** What goes wrong with one request. Fields may be combined; positions count bytes of the body. */
export interface Fault {
  /** Answered in place of the registry's own answer. */
  readonly answer?: {
    readonly status: number;
    readonly headers?: Record<string, string>;
    readonly body?: string;
  };
  /** Put over the headers of the answer (a wrong digest, a location elsewhere); an empty value removes one. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds before the answer. */
  readonly delayMs?: number;
  /** The connection is reset after so many bytes of the answer's body; 0 sends none, not even headers. */
  readonly resetAfter?: number;
  /** The connection is closed in good order after so many bytes, though Content-Length told of more. */
  readonly truncateAfter?: number;
  /** Nothing more comes after so many bytes, and the connection stays. */
  readonly stallAfter?: number;
  /** One byte at a time, with so many milliseconds between. */
  readonly dripMs?: number;
  /** So many bytes follow the body, counted in Content-Length. */
  readonly extra?: number;
  /** The byte at this position is changed. */
  readonly flip?: number;
  /** A Range header is not heeded: 200 with everything. */
  readonly ignoreRange?: boolean;
  /** The connection is reset when so many bytes of the request's body came. */
  readonly resetUploadAfter?: number;
  /** With `resetUploadAfter`: what came stays in the upload session. */
  readonly keepPart?: boolean;
}

/** A fault and the requests that meet it. */
export interface Rule extends Fault {
  readonly method?: string;
  /** Against path with query. */
  readonly path?: RegExp;
  /** So many matching requests pass before; 0 when absent. */
  readonly after?: number;
  /** So many requests meet it, then it is over; 1 when absent. */
  readonly times?: number;
}

/** The rules in their order: the first that matches and is not used up holds. */
export class RuleBook {
  #rules: { readonly rule: Rule; seen: number }[];

  constructor(rules: readonly Rule[]) {
    this.#rules = rules.map((rule) => ({ rule, seen: 0 }));
  }

  add(...rules: readonly Rule[]): void {
    this.#rules.push(...rules.map((rule) => ({ rule, seen: 0 })));
  }

  clear(): void {
    this.#rules = [];
  }

  match(method: string, url: string): Fault | undefined {
    for (const entry of this.#rules) {
      const { rule } = entry;
      if (rule.method !== undefined && rule.method !== method) continue;
      if (rule.path !== undefined && !rule.path.test(url)) continue;
      const turn = entry.seen++ - (rule.after ?? 0);
      if (turn >= 0 && turn < (rule.times ?? 1)) return rule;
    }
    return undefined;
  }
}

function damaged(body: Buffer, fault: Fault): Buffer {
  const bytes = Buffer.concat([body, Buffer.alloc(fault.extra ?? 0, 'x')]);
  if (fault.flip !== undefined) bytes.writeUInt8((bytes[fault.flip] ?? 0) ^ 1, fault.flip);
  return bytes;
}

async function put(response: ServerResponse, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length && !response.destroyed; at += 65536) {
    if (response.write(bytes.subarray(at, at + 65536))) continue;
    await new Promise<void>((resolve) => {
      const go = () => {
        response.off('drain', go).off('close', go);
        resolve();
      };
      response.once('drain', go).once('close', go);
    });
  }
}

/** Writes the answer with its faults; the bytes of the body that were sent. */
export async function writeReply(
  response: ServerResponse,
  { status, headers, body }: Reply,
  { fault = {}, isHead }: { fault?: Fault | undefined; isHead: boolean },
): Promise<number> {
  if (fault.delayMs !== undefined) await sleep(fault.delayMs);
  const { socket } = response;
  if (fault.resetAfter === 0) {
    socket?.resetAndDestroy();
    return 0;
  }
  const bytes = damaged(body, fault);
  const all: Record<string, string> = {
    'content-length': String(bytes.length),
    ...headers,
    ...fault.headers,
  };
  if (status === 204) delete all['content-length'];
  response.writeHead(status, Object.fromEntries(Object.entries(all).filter(([, value]) => value !== '')));
  if (isHead || status === 204) {
    response.end();
    return 0;
  }
  const cut = fault.resetAfter ?? fault.truncateAfter ?? fault.stallAfter;
  const sent = cut === undefined ? bytes : bytes.subarray(0, cut);
  if (fault.dripMs === undefined) await put(response, sent);
  else {
    for (const byte of sent) {
      if (response.destroyed) break;
      response.write(Buffer.of(byte));
      await sleep(fault.dripMs);
    }
  }
  if (cut === undefined) {
    response.end();
    return sent.length;
  }
  // what was written must have left before the connection goes
  await sleep(20);
  if (fault.resetAfter !== undefined) socket?.resetAndDestroy();
  else if (fault.truncateAfter !== undefined) socket?.destroySoon();
  return sent.length;
}
