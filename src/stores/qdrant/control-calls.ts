import type { QdrantClient } from '@qdrant/js-client-rest';
import type { Answer } from './answer.ts';
import { answerFailure, notQdrant, type Purpose } from './failure.ts';
import type { QdrantSettings } from './qdrant-reader.ts';
import type { RetryUntil, UnknownOutcome } from './retry.ts';

/** Calls without ids and payload, through the official client under our retry rules and errors. A write brings `unknown`. */
export type ControlCalls = <T>(
  purpose: Purpose,
  call: (client: QdrantClient) => Promise<T>,
  unknown?: UnknownOutcome<Received<T>>,
) => Promise<T>;

/** An answer with the value that the client made of it. */
export type Received<T> = Answer & { readonly value?: T };

/** Makes the client; nothing is sent yet. The signal ends waits between tries. */
export async function openControlCalls(
  settings: QdrantSettings,
  base: URL,
  retryUntil: RetryUntil,
): Promise<(signal: AbortSignal | undefined) => ControlCalls> {
  const { QdrantClient } = await import('@qdrant/js-client-rest');
  const at = settings.through === undefined ? base : new URL(settings.through);
  const client = new QdrantClient({
    url: at.origin,
    // Without this the client would turn a missing port into 6333, and drop the path.
    port: at.port === '' ? null : Number(at.port),
    prefix: base.pathname.replace(/\/+$/, ''),
    // As a plain header: given as `apiKey` the client warns on the console about http.
    ...(settings.apiKey === undefined ? {} : { headers: { 'api-key': settings.apiKey } }),
    timeout: settings.timeoutMs,
    maxConnections: 8,
    checkCompatibility: false,
  });
  return (signal) => async (purpose, call, unknown) => {
    const answer = await retryUntil(signal)(() => answerOf(call(client)), purpose, unknown);
    if (answer.value !== undefined) return answer.value;
    throw answer.status === 200 ? notQdrant(purpose, 200) : answerFailure(answer, purpose);
  };
}

/** The client throws on every refusal; the retry rules want to see an answer. */
async function answerOf<T>(call: Promise<T>): Promise<Received<T>> {
  try {
    return { status: 200, text: '', json: true, retryAfterMs: undefined, value: await call };
  } catch (error) {
    const answer = refusal(error);
    if (answer === undefined) throw error;
    return answer;
  }
}

function refusal(error: unknown): Answer | undefined {
  if (!(error instanceof Error)) return undefined;
  const { status, data, headers, retry_after } = error as Error & {
    readonly status?: unknown;
    readonly data?: unknown;
    readonly headers?: Headers;
    readonly retry_after?: unknown;
  };
  if (typeof retry_after === 'number') {
    return { status: 429, text: '', json: true, retryAfterMs: retry_after * 1_000 };
  }
  if (typeof status === 'number') {
    const json = typeof data === 'object' && data !== null;
    const seconds = Number(headers?.get('retry-after') ?? Number.NaN);
    return {
      status,
      text: json ? JSON.stringify(data) : String(data ?? ''),
      json,
      retryAfterMs: Number.isInteger(seconds) ? seconds * 1_000 : undefined,
    };
  }
  // Its words for a success without a result: an HTML page with status 200.
  const foreign = error.message === 'Result came uninitialized' || error instanceof SyntaxError;
  return foreign ? { status: 200, text: '', json: false, retryAfterMs: undefined } : undefined;
}
