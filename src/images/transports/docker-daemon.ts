import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BldError, isErrno } from '../../base/errors.ts';
import { printable } from '../../base/log.ts';
import { readAll } from '../../base/streams.ts';
import type { TarSink } from '../tars.ts';
import { streamTarget } from './archive-writer.ts';
import { type DockerArchiveSource, dockerArchiveSink, dockerArchiveSource } from './docker-archive.ts';
import { type Scratch, spoolTarTree } from './tar-tree.ts';

const DEFAULT_SOCKET = '/var/run/docker.sock';
const ANSWER_LIMIT = 1 << 20;

/** The engine's socket: DOCKER_HOST when it is set, as for docker's own client. */
function socketPath(): string {
  const host = process.env.DOCKER_HOST;
  if (host === undefined || host === '') return DEFAULT_SOCKET;
  if (host.startsWith('unix://')) return host.slice('unix://'.length);
  throw new BldError(
    'E_UNSUPPORTED',
    `DOCKER_HOST is ${host}: bld speaks to an engine through its unix socket alone`,
  );
}

function unreachable(error: unknown): unknown {
  if (!isErrno(error)) return error;
  return new BldError('E_NOT_FOUND', `no Docker engine answers at ${socketPath()}: ${error.message}`, {
    cause: error,
    hint: 'start it, or name its socket: DOCKER_HOST=unix:///path',
  });
}

function ask(method: string, path: string, headers: Readonly<Record<string, string>> = {}): ClientRequest {
  return request({ socketPath: socketPath(), method, path, headers: { host: 'docker', ...headers } });
}

async function answerTo(sent: ClientRequest): Promise<IncomingMessage> {
  try {
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return response;
  } catch (error) {
    throw unreachable(error);
  }
}

/** The engine's own words for its refusal. */
async function refusal(response: IncomingMessage, what: string): Promise<BldError> {
  const text = (await readAll(response, ANSWER_LIMIT, what)).toString('utf8');
  const message = /"message"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(text)?.[1] ?? text.trim();
  const code = response.statusCode === 404 ? 'E_NOT_FOUND' : 'E_UNSUPPORTED';
  return new BldError(code, `${what}: ${printable(message.slice(0, 500))}`);
}

/** An image of the Docker engine on this machine, by name or id. */
export async function dockerDaemonSource(
  name: string,
  label: string,
  scratch: Scratch,
): Promise<DockerArchiveSource> {
  const sent = ask('GET', `/images/${encodeURI(name)}/get`);
  sent.end();
  const response = await answerTo(sent);
  if (response.statusCode !== 200) throw await refusal(response, label);
  return dockerArchiveSource(await spoolTarTree(response, label, scratch), label, undefined);
}

/** Loads an image into the Docker engine, streaming. */
export function dockerDaemonSink(name: string, label: string): TarSink {
  const body = new PassThrough();
  const archive = dockerArchiveSink(streamTarget(body), [name], label);
  return {
    label,
    async write(image) {
      const sent = ask('POST', '/images/load?quiet=1', { 'content-type': 'application/x-tar' });
      const answered = answerTo(sent);
      answered.catch(() => {}); // looked at below, once the body is sent or failed
      try {
        await Promise.all([archive.write(image), pipeline(body, sent)]);
      } catch (error) {
        sent.destroy();
        throw unreachable(error);
      }
      const response = await answered;
      if (response.statusCode !== 200) throw await refusal(response, label);
      await checkLoaded(response, label);
    },
    [Symbol.asyncDispose]: () => archive[Symbol.asyncDispose](),
  };
}

/** The answer to a load is 200 before the work begins; what went wrong stands in its body. */
async function checkLoaded(response: Readable, label: string): Promise<void> {
  const text = (await readAll(response, ANSWER_LIMIT, label)).toString('utf8');
  const failure = /"error"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(text)?.[1];
  if (failure !== undefined) throw new BldError('E_UNSUPPORTED', `${label}: ${printable(failure)}`);
}
