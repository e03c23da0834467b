import { isAscii } from 'node:buffer';
import type { Dispatcher } from 'undici';
import { decodedBytes } from '../../model/decoded-body.ts';
import { type Answer, retryAfterMs } from './answer.ts';
import { answerFailure, notQdrant, type Purpose } from './failure.ts';
import type { QdrantSettings } from './qdrant-reader.ts';
import type { RetryUntil, UnknownOutcome } from './retry.ts';

/** One request whose body and answer stay text: what carries ids or payload goes this way. */
export interface RawCall {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** From the base address on, percent-encoded, with its query. */
  readonly path: string;
  readonly body?: string | undefined;
  readonly task: string;
  readonly collection?: string | undefined;
  readonly write?: boolean | undefined;
}

export interface RawCalls {
  /** The text of a successful answer. */
  send(call: RawCall): Promise<string>;
  /** The answer itself, for calls that have a use for a refusal. A lost connection still throws. A write brings `unknown`. */
  ask(call: RawCall, unknown?: UnknownOutcome<Answer>): Promise<Answer>;
  purpose(call: RawCall): Purpose;
  /** The same calls on the same connections; the signal ends waits between tries. */
  stoppedBy(signal: AbortSignal): RawCalls;
  close(): Promise<void>;
}

/** Made as they are needed. */
const CONNECTIONS = 32;
const CONNECT_MS = 10_000;

/** Opens the connection pool; nothing is sent yet. */
export async function openRawCalls(settings: QdrantSettings, base: URL, retryUntil: RetryUntil): Promise<RawCalls> {
  const { Agent } = await import('undici');
  // A write that waits may be silent for long: the overall time-out decides, not undici's own two.
  const agent = new Agent({
    connections: CONNECTIONS,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: Math.min(CONNECT_MS, settings.timeoutMs) },
  });
  const headers = {
    accept: 'application/json',
    'content-type': 'application/json',
    ...(settings.apiKey === undefined ? {} : { 'api-key': settings.apiKey }),
    ...(settings.through === undefined ? {} : { host: base.host }),
  };
  const prefix = base.pathname.replace(/\/+$/, '');

  async function once({ method, path, body }: RawCall): Promise<Answer> {
    const response = await agent.request({
      origin: settings.through ?? base.origin,
      path: `${prefix}${path}`,
      method,
      headers,
      body: body ?? null,
      signal: AbortSignal.timeout(settings.timeoutMs),
    });
    return {
      status: response.statusCode,
      text: textOfBytes(await bytesOf(response)),
      json: String(response.headers['content-type'] ?? '').includes('json'),
      retryAfterMs: retryAfterMs(response.headers['retry-after']),
    };
  }

  const purpose = ({ task, collection, write }: RawCall): Purpose => ({
    url: settings.url,
    task,
    collection,
    write: write === true,
  });
  const open = (signal: AbortSignal | undefined): RawCalls => {
    const retry = retryUntil(signal);
    const ask: RawCalls['ask'] = (call, unknown) => retry(() => once(call), purpose(call), unknown);
    return {
      ask,
      send: async (call) => textOf(await ask(call), purpose(call)),
      purpose,
      stoppedBy: open,
      close: () => agent.close(),
    };
  };
  return open(undefined);
}

/** The mixin reads faster than a loop over chunks. */
async function bytesOf({ body, headers }: Dispatcher.ResponseData): Promise<Buffer> {
  const coding = headers['content-encoding'];
  return coding === undefined ? Buffer.from(await body.arrayBuffer()) : decodedBytes(body, coding);
}

/** Most answers are vectors and ids: plain ASCII, which is copied several times as fast as UTF-8 is decoded. */
function textOfBytes(bytes: Buffer): string {
  return bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8');
}

/** The text of an answer that must be a success. */
export function textOf(answer: Answer, purpose: Purpose): string {
  if (answer.status !== 200) throw answerFailure(answer, purpose);
  if (!answer.json) throw notQdrant(purpose, answer.status);
  return answer.text;
}
