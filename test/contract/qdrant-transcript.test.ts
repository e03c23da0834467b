import { readFileSync } from 'node:fs';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type QdrantStandIn, startQdrantStandIn } from '../support/qdrant-stand-in.ts';

interface Exchange {
  readonly why: string;
  readonly method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly body: string | null;
  /** Null: the server closed the connection. */
  readonly status: number | null;
  readonly responseHeaders?: Readonly<Record<string, string>>;
  /** As raw text. */
  readonly response: string;
}

/** What a real Qdrant 1.17.1 answered, in order, from an empty start. */
const exchanges = JSON.parse(
  readFileSync(new URL('../fixtures/qdrant-transcript-1.17.1.json', import.meta.url), 'utf8'),
) as readonly Exchange[];

/** Exchanges that the stand-in does not answer alike, with the reason. There are none. */
const unclaimed: Readonly<Record<string, string>> = {};

const RATE_LIMITED = 'write rate limit reached';

let standIn: QdrantStandIn;

beforeAll(async () => {
  // No time passes: how much of a rate limit is left depends on the requests alone, not on how fast they come.
  standIn = await startQdrantStandIn({ now: () => 0 });
});

afterAll(async () => {
  await standIn.close();
});

describe('the stand-in answers as a real Qdrant 1.17.1 did', () => {
  for (const [at, exchange] of exchanges.entries()) {
    const title = `${at} ${exchange.method} ${exchange.path}: ${exchange.why}`;
    if (unclaimed[exchange.why] !== undefined) it.skip(`${title} (${unclaimed[exchange.why]})`);
    else if (exchange.status === null) it(title, () => closesTheConnection(exchange));
    else it(title, () => answersAlike(exchange));
  }
});

async function answersAlike(exchange: Exchange): Promise<void> {
  let reply = await send(exchange, exchange.body);
  // The recording keeps only the refused one of the requests that emptied the bucket.
  for (let sent = 1; exchange.why === RATE_LIMITED && reply.status === 200 && sent < 30; sent += 1) {
    reply = await send(exchange, exchange.body);
  }
  expect(reply.status).toBe(exchange.status);
  expect(comparable(reply.text)).toBe(comparable(exchange.response));
  for (const [name, value] of Object.entries(exchange.responseHeaders ?? {})) expect(reply.headers[name]).toBe(value);
}

async function closesTheConnection(exchange: Exchange): Promise<void> {
  const bytes = Number(/<(\d+) bytes>/.exec(exchange.body ?? '')?.[1]);
  const before = await send(countOf(exchange), '{"exact":true}');
  const start = '{"points":[{"id":77,"vector":[1.0],"payload":{"text":"';
  const body = `${start}${'x'.repeat(bytes - start.length - 5)}"}}]}`;
  await expect(send(exchange, body)).rejects.toThrow();
  const after = await send(countOf(exchange), '{"exact":true}');
  expect(comparable(after.text)).toBe(comparable(before.text));
}

function countOf({ path }: Exchange): Pick<Exchange, 'method' | 'path'> {
  return { method: 'POST', path: path.replace(/\/points.*/, '/points/count') };
}

async function send({ method, path }: Pick<Exchange, 'method' | 'path'>, body: string | null) {
  const headers = { 'content-type': 'application/json' };
  const reply = await request(`${standIn.url}${path}`, { method, body, headers });
  return { status: reply.statusCode, headers: reply.headers, text: await reply.body.text() };
}

/** The raw text without what two runs of the same server differ in: times, counters, and the order of collections. */
function comparable(text: string): string {
  const plain = text
    .replace(/"time":[\d.e-]+/, '"time":0')
    .replace(/"operation_id":\d+/g, '"operation_id":0')
    .replace(/"segments_count":\d+/, '"segments_count":0')
    .replace(/"peer_id":\d+/, '"peer_id":0')
    .replace(/only [\d.]+ were available/, 'only some were available');
  return plain.replace(/"collections":\[(.*?)\]/, (_, list: string) => {
    const sorted = list.split(/(?<=\}),/).sort();
    return `"collections":[${sorted.join(',')}]`;
  });
}
