import { type FaultControls, type SimulatedReply, type SimulatedRequest, startFaultHttp } from './fault-http.ts';
import { Node } from './qdrant/node.ts';
import { QdrantError } from './qdrant/qdrant-error.ts';
import { isWrite, route } from './qdrant/routes.ts';
import { runAsProcess } from './run-as-process.ts';

export type { FailRule, RequestRecord } from './fault-http.ts';

/** A server in this process that behaves like Qdrant 1.17.1, in memory, and can be made to fail. */
export type QdrantStandIn = FaultControls;

export interface QdrantStandInOptions {
  readonly port?: number;
  readonly host?: string;
  /** Where given, requests need it as `api-key` or as a bearer token. */
  readonly apiKey?: string;
  /** Serves reads only. */
  readonly readOnlyApiKey?: string;
}

/** Qdrant's own default: a longer body closes the connection. */
const MAX_BODY_BYTES = 32 * 1024 * 1024;
const VERSION = {
  title: 'qdrant - vector search engine',
  version: '1.17.1',
  commit: 'eabee371fda447974a94d29fbaa675a6a596cc7b',
};
const OPEN = new Set(['/', '/readyz', '/healthz', '/livez']);
const PLAIN = { 'content-type': 'text/plain; charset=utf-8' };

export async function startQdrantStandIn(options: QdrantStandInOptions = {}): Promise<QdrantStandIn> {
  const node = new Node();
  return await startFaultHttp(
    {
      simulated: 'qdrant',
      maxBodyBytes: MAX_BODY_BYTES,
      isWrite,
      answer: (request) => refusedKey(request, options) ?? answer(node, request),
      reset: () => node.clear(),
    },
    options,
  );
}

function answer(node: Node, request: SimulatedRequest): SimulatedReply {
  const started = performance.now();
  const open = openReply(request);
  if (open !== undefined) return open;
  try {
    const result = route(node, request);
    if (result === undefined) return { status: 404, body: '' };
    return { status: 200, body: `{"result":${result},"status":"ok","time":${seconds(started)}}` };
  } catch (error) {
    if (error instanceof QdrantError) return errorReply(error, started);
    throw error;
  }
}

function openReply({ method, pathname }: SimulatedRequest): SimulatedReply | undefined {
  if (method !== 'GET' || !OPEN.has(pathname)) return undefined;
  if (pathname === '/') return { status: 200, body: JSON.stringify(VERSION) };
  return {
    status: 200,
    body: pathname === '/readyz' ? 'all shards are ready' : 'healthz check passed',
    headers: PLAIN,
  };
}

function errorReply({ status, message, retryAfter }: QdrantError, started: number): SimulatedReply {
  const body = `{"status":{"error":${JSON.stringify(message)}},"time":${seconds(started)}}`;
  return { status, body, ...(retryAfter === undefined ? {} : { headers: { 'retry-after': String(retryAfter) } }) };
}

function seconds(started: number): string {
  return ((performance.now() - started) / 1000).toFixed(9);
}

function refusedKey(request: SimulatedRequest, options: QdrantStandInOptions): SimulatedReply | undefined {
  const { apiKey, readOnlyApiKey } = options;
  if ((apiKey === undefined && readOnlyApiKey === undefined) || OPEN.has(request.pathname)) return undefined;
  const given = request.headers['api-key'] ?? /^Bearer (.*)$/.exec(request.headers.authorization ?? '')?.[1];
  if (given === undefined) {
    return { status: 401, body: 'Must provide an API key or an Authorization bearer token', headers: PLAIN };
  }
  if (given === apiKey) return undefined;
  if (given !== readOnlyApiKey) return { status: 401, body: 'Invalid API key or JWT', headers: PLAIN };
  if (!isWrite(request.method, request.pathname)) return undefined;
  return errorReply(new QdrantError(403, 'Forbidden: Global manage access is required'), performance.now());
}

await runAsProcess(import.meta.url, 'qdrant', ['api-key', 'read-only-api-key'], (given) => {
  const { port, host, 'api-key': apiKey, 'read-only-api-key': readOnlyApiKey } = given;
  return startQdrantStandIn({
    port,
    ...(host === undefined ? {} : { host }),
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(readOnlyApiKey === undefined ? {} : { readOnlyApiKey }),
  });
});
