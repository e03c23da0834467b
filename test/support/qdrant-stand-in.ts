import {
  type FailRule,
  type FaultControls,
  type SimulatedReply,
  type SimulatedRequest,
  startFaultHttp,
} from './fault-http.ts';
import { type CollectionAccess, checkAccess, onlyNamed } from './qdrant/access.ts';
import { type FaultScript, faultsOf } from './qdrant/fault-script.ts';
import { Node } from './qdrant/node.ts';
import { QdrantError } from './qdrant/qdrant-error.ts';
import { isWrite, route } from './qdrant/routes.ts';
import { runAsProcess } from './run-as-process.ts';

export type { FailRule, RequestRecord } from './fault-http.ts';
export { type FaultKind, type FaultScript, faultKinds } from './qdrant/fault-script.ts';

/**
 * A server that behaves like Qdrant 1.17.1, in memory, and can be made to fail. Another process does so by
 * `POST /__stand-in/faults` with a {@link FaultScript} (or `null`), and `POST /__stand-in/hold-updates` and
 * `/__stand-in/release-updates` with `{"on": "…"}`.
 */
export interface QdrantStandIn extends FaultControls {
  /**
   * Faults by chance from now on, in place of those with the same `on`: tests that share the server do not disturb each
   * other. Undefined ends them all, a rate of 0 those with this `on`.
   */
  setFaults(script: FaultScript | undefined): void;
  /** Updates are taken and not applied until they are released, in collections whose name matches (all, where absent). */
  holdUpdates(on?: string): void;
  releaseUpdates(on?: string): void;
  /** From now on every collection says that it is in this state: `green` and `ok` at first. */
  setHealth(status: string, optimizer?: string | { readonly error: string }): void;
}

export interface QdrantStandInOptions {
  readonly port?: number;
  readonly host?: string;
  /** Where given, requests need it as `api-key` or as a bearer token. */
  readonly apiKey?: string;
  /** Serves reads only. */
  readonly readOnlyApiKey?: string;
  /** Tokens by their text, each with what it lets its bearer do with which collections. */
  readonly tokens?: Readonly<Record<string, readonly CollectionAccess[]>>;
  /** Faults by chance from the start. */
  readonly faults?: FaultScript;
  /** Which version it says it is, and acts like as far as we use it: `1.16.3` in place of 1.17.1. */
  readonly version?: '1.16.3';
  /** Cosine vectors are normalised at every insert, so that some of a copy get other last digits: no known server does. */
  readonly renormalises?: boolean;
  /** A longer body closes the connection: 32 MiB where absent, as `max_request_size_mb` sets it. */
  readonly maxBodyBytes?: number;
  /** The clock of rate limits, ms: the machine's where absent. */
  readonly now?: () => number;
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
  const node = new Node({ ...options, isBefore117: options.version !== undefined });
  const scripts = new Map<string, FaultOf>();
  const own = {
    setFaults: (script: FaultScript | undefined) => {
      if (script === undefined) scripts.clear();
      else scripts.set(script.on ?? '', faultsOf(script));
    },
    holdUpdates: (on = '') => node.holdUpdates(new RegExp(on)),
    releaseUpdates: (on = '') => node.releaseUpdates(new RegExp(on)),
    setHealth: (status: string, optimizer: string | { readonly error: string } = 'ok') => {
      node.health = { status, optimizer };
    },
  };
  if (options.faults !== undefined) own.setFaults(options.faults);
  const controls = await startFaultHttp(
    {
      simulated: 'qdrant',
      maxBodyBytes: options.maxBodyBytes ?? MAX_BODY_BYTES,
      isWrite,
      answer: async (request) => {
        const refused = refusedKey(request, options);
        if (refused !== undefined) return refused;
        const reply = await answer(node, request, options.version);
        const claims = options.tokens?.[keyOf(request) ?? ''];
        if (claims === undefined || reply.status !== 200 || !/^\/(collections|aliases)$/.test(request.pathname))
          return reply;
        return { ...reply, body: onlyNamed(claims, request.pathname, reply.body) };
      },
      fault: (request) => firstFault(scripts.values(), request),
      reset: () => {
        own.setFaults(undefined);
        node.clear();
      },
      controls: {
        faults: (script) => own.setFaults((script ?? undefined) as FaultScript | undefined),
        'hold-updates': (body) => own.holdUpdates((body as { on?: string } | undefined)?.on),
        'release-updates': (body) => own.releaseUpdates((body as { on?: string } | undefined)?.on),
      },
    },
    options,
  );
  return { ...controls, ...own };
}

type FaultOf = ReturnType<typeof faultsOf>;

function firstFault(scripts: Iterable<FaultOf>, request: Parameters<FaultOf>[0]): FailRule | undefined {
  for (const faultOf of scripts) {
    const fault = faultOf(request);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

async function answer(node: Node, request: SimulatedRequest, version: string | undefined): Promise<SimulatedReply> {
  const started = performance.now();
  const open = openReply(request, version);
  if (open !== undefined) return open;
  try {
    const result = await route(node, request);
    if (result === undefined) return { status: 404, body: '' };
    return { status: 200, body: `{"result":${result},"status":"ok","time":${seconds(started)}}` };
  } catch (error) {
    if (error instanceof QdrantError) return errorReply(error, started);
    throw error;
  }
}

function openReply({ method, pathname }: SimulatedRequest, version = VERSION.version): SimulatedReply | undefined {
  if (method !== 'GET' || !OPEN.has(pathname)) return undefined;
  if (pathname === '/') return { status: 200, body: JSON.stringify({ ...VERSION, version }) };
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
  const { apiKey, readOnlyApiKey, tokens } = options;
  if ((apiKey === undefined && readOnlyApiKey === undefined) || OPEN.has(request.pathname)) return undefined;
  const given = keyOf(request);
  if (given === undefined) {
    return { status: 401, body: 'Must provide an API key or an Authorization bearer token', headers: PLAIN };
  }
  if (given === apiKey) return undefined;
  const claims = tokens?.[given];
  if (claims !== undefined) {
    try {
      const { method, pathname } = request;
      checkAccess(claims, { pathname, isWrite: isWrite(method, pathname) });
      return undefined;
    } catch (error) {
      if (error instanceof QdrantError) return errorReply(error, performance.now());
      throw error;
    }
  }
  if (given !== readOnlyApiKey) return { status: 401, body: 'Invalid API key or JWT', headers: PLAIN };
  if (!isWrite(request.method, request.pathname)) return undefined;
  return errorReply(new QdrantError(403, 'Forbidden: Global manage access is required'), performance.now());
}

function keyOf({ headers }: SimulatedRequest): string | undefined {
  const given = headers['api-key'] ?? /^Bearer (.*)$/.exec(headers.authorization ?? '')?.[1];
  return given === undefined ? undefined : String(given);
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
