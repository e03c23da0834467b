import { MigrateError } from '../../model/errors.ts';
import { type Answer, retryAfterMs } from './answer.ts';
import { answerFailure, networkFailure, notQdrant, type Purpose } from './failure.ts';
import type { QdrantSettings } from './qdrant-reader.ts';
import type { Retry } from './retry.ts';

/** One request whose body and answer stay text: what carries ids or payload goes this way. */
export interface RawCall {
  readonly method: 'GET' | 'POST';
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
  /** The answer itself, for calls that have a use for a refusal. A lost connection still throws. */
  ask(call: RawCall): Promise<Answer>;
  purpose(call: RawCall): Purpose;
  close(): Promise<void>;
}

const CONNECTIONS = 8;
const CONNECT_MS = 10_000;

/** Opens the connection pool; nothing is sent yet. */
export async function openRawCalls(settings: QdrantSettings, base: URL, retry: Retry): Promise<RawCalls> {
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
  };
  const prefix = base.pathname.replace(/\/+$/, '');

  async function once({ method, path, body }: RawCall): Promise<Answer> {
    const response = await agent.request({
      origin: base.origin,
      path: `${prefix}${path}`,
      method,
      headers,
      body: body ?? null,
      signal: AbortSignal.timeout(settings.timeoutMs),
    });
    return {
      status: response.statusCode,
      text: await response.body.text(),
      json: String(response.headers['content-type'] ?? '').includes('json'),
      retryAfterMs: retryAfterMs(response.headers['retry-after']),
    };
  }

  const calls: RawCalls = {
    async ask(call) {
      try {
        return await retry(() => once(call));
      } catch (error) {
        throw error instanceof MigrateError ? error : networkFailure(error, calls.purpose(call));
      }
    },
    async send(call) {
      const answer = await calls.ask(call);
      if (answer.status !== 200) throw answerFailure(answer, calls.purpose(call));
      if (!answer.json) throw notQdrant(calls.purpose(call), answer.status);
      return answer.text;
    },
    purpose: ({ task, collection, write }) => ({ url: settings.url, task, collection, write: write === true }),
    close: () => agent.close(),
  };
  return calls;
}
