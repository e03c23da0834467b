import { randomBytes } from 'node:crypto';
import { isLosslessNumber, parse, stringify } from 'lossless-json';
import { request } from 'undici';

/** Everything that a collection holds and is, number for number, read without the code under test. */
export interface CollectionState {
  /** Canonical text of each point by its id's text. */
  readonly points: Readonly<Record<string, string>>;
  readonly schema: unknown;
  readonly config: unknown;
}

/** A server under test, spoken to as plainly as curl does. Collections made through it have names of their own. */
export class QdrantWorld {
  readonly url: string;
  readonly #prefix: string;
  readonly #made: string[] = [];

  /** `prefix` is given where a server of its own shall hold the same names each time. */
  constructor(url: string, prefix = `t${randomBytes(5).toString('hex')}_`) {
    this.url = url;
    this.#prefix = prefix;
  }

  /** A tenant id or collection name that no other test uses. */
  name(suffix: string): string {
    return `${this.#prefix}${suffix}`;
  }

  async send(
    method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    body?: string | object,
  ): Promise<string> {
    const text = typeof body === 'object' ? JSON.stringify(body) : body;
    const headers = { 'content-type': 'application/json' };
    const response = await request(`${this.url}${path}`, { method, headers, body: text ?? null });
    const answer = await response.body.text();
    if (response.statusCode !== 200) throw new Error(`${method} ${path}: ${response.statusCode} ${answer}`);
    return answer;
  }

  async collection(suffix: string, settings: object, indexed?: { readonly field: string }): Promise<string> {
    const name = this.name(suffix);
    await this.send('PUT', `/collections/${name}`, settings);
    this.#made.push(name);
    if (indexed !== undefined) {
      const field_schema = { type: 'keyword', is_tenant: true };
      await this.send('PUT', `/collections/${name}/index?wait=true`, { field_name: indexed.field, field_schema });
    }
    return name;
  }

  /** Each point is JSON text, so that ids and numbers above 2^53 arrive as they are written. */
  async upsert(collection: string, points: readonly string[], atOnce = 1_000): Promise<void> {
    for (let at = 0; at < points.length; at += atOnce) {
      const body = `{"points":[${points.slice(at, at + atOnce).join(',')}]}`;
      await this.send('PUT', `/collections/${collection}/points?wait=true`, body);
    }
  }

  async setPayload(collection: string, id: string, payload: object): Promise<void> {
    const body = `{"payload":${JSON.stringify(payload)},"points":[${id}]}`;
    await this.send('POST', `/collections/${collection}/points/payload?wait=true`, body);
  }

  /** Puts the point again with its payload and another vector. */
  async setVector(collection: string, id: string, vector: readonly number[]): Promise<void> {
    const body = `{"ids":[${id}],"with_payload":true}`;
    const { result } = parse(await this.send('POST', `/collections/${collection}/points`, body)) as Reply<[Point]>;
    const payload = stringify(result[0].payload) ?? '{}';
    await this.upsert(collection, [`{"id":${id},"vector":${JSON.stringify(vector)},"payload":${payload}}`]);
  }

  async drop(collection: string): Promise<void> {
    await this.send('DELETE', `/collections/${collection}`);
  }

  async state(collection: string): Promise<CollectionState> {
    const { result } = parse(await this.send('GET', `/collections/${collection}`)) as Reply<Info>;
    const points: Record<string, string> = {};
    for (let offset = ''; ; ) {
      const body = `{"limit":20,"with_payload":true,"with_vector":true${offset}}`;
      const page = parse(await this.send('POST', `/collections/${collection}/points/scroll`, body)) as Reply<Page>;
      for (const point of page.result.points) points[String(point.id)] = stringify(sorted(point)) ?? '';
      if (page.result.next_page_offset === null) break;
      offset = `,"offset":${stringify(page.result.next_page_offset)}`;
    }
    return { points, schema: result.payload_schema, config: result.config };
  }

  async states(): Promise<Readonly<Record<string, CollectionState>>> {
    const states = this.#made.map(async (name) => [name, await this.state(name)] as const);
    return Object.fromEntries(await Promise.all(states));
  }

  async close(): Promise<void> {
    await Promise.all(this.#made.map((name) => this.drop(name)));
  }
}

/** The same states with one field value changed, as text: what a move must make of them and nothing else. */
export function withField(
  states: Readonly<Record<string, CollectionState>>,
  field: string,
  { source, target }: { readonly source: string; readonly target: string },
): Readonly<Record<string, Readonly<Record<string, string>>>> {
  const from = `"${field}":${JSON.stringify(source)}`;
  const to = `"${field}":${JSON.stringify(target)}`;
  return mapValues(states, ({ points }) => mapValues(points, (text) => text.replace(from, to)));
}

export function pointsOf(
  states: Readonly<Record<string, CollectionState>>,
): Readonly<Record<string, Readonly<Record<string, string>>>> {
  return mapValues(states, ({ points }) => points);
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, map: (value: T) => U): Readonly<Record<string, U>> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}

/** Keys in order, so that only content counts. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null || isLosslessNumber(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)]),
  );
}

interface Reply<T> {
  readonly result: T;
}

interface Info {
  readonly payload_schema: unknown;
  readonly config: unknown;
}

interface Page {
  readonly points: readonly Point[];
  readonly next_page_offset: unknown;
}

interface Point {
  readonly id: unknown;
  readonly payload: unknown;
}
