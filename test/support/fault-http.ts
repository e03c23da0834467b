import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Bodies of this many bytes or more are counted, not kept. */
const KEPT_BODY_BYTES = 64 * 1024;
const CONTROL = '/__stand-in/';

/** One request as it arrived, kept in the order of arrival. */
export interface RequestRecord {
  readonly method: string;
  /** The path with its query, still percent-encoded. */
  readonly path: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Length of the request's body; the declared one where the body was refused unread. */
  readonly bytes: number;
  /** Whether the request asks for a change, whatever became of it. */
  readonly write: boolean;
  /** The body's text, where it is shorter than 64 KiB. */
  readonly body?: string;
}

/** What shall go wrong with the next matching requests. The first rule that matches and is not used up applies. */
export interface FailRule {
  /** Every method where absent. */
  readonly method?: string;
  /** Searched in the path with its query. */
  readonly path: RegExp;
  /** How many matching requests fail: 1 where absent, `Infinity` allowed. */
  readonly times?: number;
  /** Lets the first so many matching requests through. */
  readonly skip?: number;
  /**
   * `status`: replies so and does nothing. `delay`: waits `ms`, then acts. `cut-before`: destroys the connection and
   * does nothing. `cut-after`: acts and destroys the connection before it replies. `cut-half`: acts, sends half of the
   * reply and destroys the connection. `status-after`: acts, and replies as `status` does. `trouble`: the simulation's own, told by `trouble`.
   */
  readonly kind: 'status' | 'delay' | 'cut-before' | 'cut-after' | 'cut-half' | 'status-after' | 'trouble';
  /** For `trouble`: its name. */
  readonly trouble?: string;
  /** For `status` and `status-after`: 500 where absent. */
  readonly status?: number;
  readonly body?: string;
  readonly headers?: Record<string, string>;
  /** For `delay` and `trouble`: milliseconds. */
  readonly ms?: number;
}

/** What every stand-in offers besides what it simulates. */
export interface FaultControls {
  readonly url: string;
  readonly requests: readonly RequestRecord[];
  clearRequests(): void;
  fail(rule: FailRule): void;
  clearFailures(): void;
  /** Every request waits so many milliseconds before it is acted on. */
  setLatency(ms: number): void;
  /** Back to the state of the start: no data, requests, faults or latency. */
  reset(): void;
  close(): Promise<void>;
}

export interface SimulatedRequest {
  readonly method: string;
  /** Without the query, still percent-encoded. */
  readonly pathname: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** What the simulation shall let go wrong with this request, and how many milliseconds it takes. */
  readonly trouble?: { readonly name: string; readonly ms: number };
}

export interface SimulatedReply {
  readonly status: number;
  readonly body: string;
  readonly headers?: Record<string, string>;
}

export interface Simulation {
  /** Named in the header `x-simulated` of every reply. */
  readonly simulated: string;
  /** A longer body closes the connection and reaches nobody. */
  readonly maxBodyBytes?: number;
  isWrite(method: string, pathname: string): boolean;
  answer(request: SimulatedRequest): SimulatedReply | Promise<SimulatedReply>;
  /** A fault of the simulation's own choice, asked for where no rule was armed for the request. */
  fault?(request: { readonly method: string; readonly path: string; readonly body: Buffer }): FailRule | undefined;
  reset(): void;
  /** Further `POST /__stand-in/<name>` calls. */
  readonly controls?: Readonly<Record<string, (body: unknown) => void>>;
}

interface ArmedRule {
  readonly rule: FailRule;
  skip: number;
  left: number;
}

/** Starts an HTTP server that records, delays and fails requests as told, and has the simulation answer the rest. */
export async function startFaultHttp(
  simulation: Simulation,
  listen: { readonly port?: number; readonly host?: string },
): Promise<FaultControls> {
  const requests: RequestRecord[] = [];
  let armed: ArmedRule[] = [];
  let latency = 0;

  const controls = {
    requests,
    clearRequests: () => {
      requests.length = 0;
    },
    fail: (rule: FailRule) => {
      armed.push({ rule, skip: rule.skip ?? 0, left: rule.times ?? 1 });
    },
    clearFailures: () => {
      armed = [];
    },
    setLatency: (ms: number) => {
      latency = ms;
    },
    reset: () => {
      requests.length = 0;
      armed = [];
      latency = 0;
      simulation.reset();
    },
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A request that ends early no longer knows its socket.
    const { socket } = request;
    const method = request.method ?? 'GET';
    const path = request.url ?? '/';
    const { pathname, query } = splitPath(path);
    const control = pathname.startsWith(CONTROL);
    const limit = control ? undefined : simulation.maxBodyBytes;
    const { body, bytes } = await readBody(request, limit);
    if (control) return send(response, controlCall(method, pathname.slice(CONTROL.length), body), simulation.simulated);
    requests.push({
      method,
      path,
      at: Date.now(),
      bytes,
      write: simulation.isWrite(method, pathname),
      ...(body !== undefined && bytes < KEPT_BODY_BYTES ? { body: body.toString('utf8') } : {}),
    });
    if (body === undefined) return cut(socket);
    const rule = takeRule(armed, method, path) ?? simulation.fault?.({ method, path, body });
    if (latency > 0) await sleep(latency);
    if (rule?.kind === 'cut-before') return cut(socket);
    if (rule?.kind === 'status') return send(response, failedReply(rule), simulation.simulated);
    if (rule?.kind === 'delay') await sleep(rule.ms ?? 0);
    const trouble = rule?.trouble === undefined ? {} : { trouble: { name: rule.trouble, ms: rule.ms ?? 0 } };
    const reply = await simulation.answer({ method, pathname, query, headers: request.headers, body, ...trouble });
    if (rule?.kind === 'cut-after') return cut(socket);
    if (rule?.kind === 'status-after') return send(response, failedReply(rule), simulation.simulated);
    if (rule?.kind === 'cut-half') return sendHalf(response, reply);
    send(response, reply, simulation.simulated);
  }

  function controlCall(method: string, name: string, body: Buffer | undefined): SimulatedReply {
    const given: unknown = body === undefined || body.length === 0 ? undefined : JSON.parse(body.toString('utf8'));
    if (method === 'GET' && name === 'requests') return { status: 200, body: JSON.stringify(requests) };
    if (method === 'DELETE' && name === 'requests') controls.clearRequests();
    else if (method === 'POST' && name === 'fail') controls.fail(ruleFromJson(given));
    else if (method === 'DELETE' && name === 'fail') controls.clearFailures();
    else if (method === 'POST' && name === 'latency') controls.setLatency((given as { ms: number }).ms);
    else if (method === 'POST' && name === 'reset') controls.reset();
    else if (method === 'POST' && simulation.controls?.[name] !== undefined) simulation.controls[name](given);
    else return { status: 404, body: '{"error":"no such control"}' };
    return { status: 200, body: '{}' };
  }

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      if (response.destroyed || response.headersSent || request.destroyed) return;
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      send(response, { status: 500, body: JSON.stringify({ 'stand-in failed': message }) }, simulation.simulated);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port ?? 0, listen.host ?? '127.0.0.1', resolve);
  });
  const { address, port, family } = server.address() as AddressInfo;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    ...controls,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function splitPath(path: string): { readonly pathname: string; readonly query: URLSearchParams } {
  const mark = path.indexOf('?');
  if (mark < 0) return { pathname: path, query: new URLSearchParams() };
  return { pathname: path.slice(0, mark), query: new URLSearchParams(path.slice(mark + 1)) };
}

/** The whole body, or none where it is longer than `limit`: then nothing more of it is read. */
async function readBody(
  request: IncomingMessage,
  limit = Number.POSITIVE_INFINITY,
): Promise<{ readonly body?: Buffer; readonly bytes: number }> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > limit) return { bytes: declared };
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > limit) return { bytes };
    chunks.push(chunk);
  }
  return { body: chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks), bytes };
}

function takeRule(armed: readonly ArmedRule[], method: string, path: string): FailRule | undefined {
  for (const entry of armed) {
    const { rule } = entry;
    if (entry.left <= 0 || (rule.method !== undefined && rule.method !== method)) continue;
    if (path.search(rule.path) < 0) continue;
    if (entry.skip > 0) {
      entry.skip -= 1;
      continue;
    }
    entry.left -= 1;
    return rule;
  }
  return undefined;
}

function failedReply(rule: FailRule): SimulatedReply {
  return {
    status: rule.status ?? 500,
    body: rule.body ?? '',
    headers: { ...(rule.body === undefined ? {} : { 'content-type': 'application/json' }), ...rule.headers },
  };
}

/** A rule as another process sends it: the path is a regular expression's source, -1 stands for `Infinity`. */
function ruleFromJson(given: unknown): FailRule {
  const rule = given as Omit<FailRule, 'path'> & { readonly path: string };
  const times = rule.times === -1 ? Number.POSITIVE_INFINITY : rule.times;
  return { ...rule, path: new RegExp(rule.path), ...(times === undefined ? {} : { times }) };
}

function cut(socket: Socket): void {
  socket.destroy();
}

/** Promises the whole body and gives half of it. */
function sendHalf(response: ServerResponse, reply: SimulatedReply): void {
  const body = Buffer.from(reply.body, 'utf8');
  response.writeHead(reply.status, { 'content-type': 'application/json', 'content-length': String(body.length) });
  response.write(body.subarray(0, body.length >> 1), () => response.destroy());
}

function send(response: ServerResponse, reply: SimulatedReply, simulated: string): void {
  const body = Buffer.from(reply.body, 'utf8');
  const type = body.length === 0 ? {} : { 'content-type': 'application/json' };
  response.writeHead(reply.status, {
    ...type,
    ...reply.headers,
    'content-length': String(body.length),
    'x-simulated': simulated,
  });
  response.end(body);
}
