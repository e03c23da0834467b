import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { breaks, type Schema, type Schemas } from '../support/openapi-schema.ts';
import { faultKinds, type QdrantStandIn, startQdrantStandIn } from '../support/qdrant-stand-in.ts';

/** Qdrant's own description of its 1.17.1; it is not ours to copy, and may lie beside the project. */
const place = new URL('../../../shared/qdrant/openapi-1.17.1.json', import.meta.url);

interface Description {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Schemas };
}

interface Operation {
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { schema: Schema }>> }>>;
}

interface Exchange {
  readonly why: string;
  readonly method: string;
  readonly path: string;
  readonly body: string | null;
  readonly status: number | null;
}

const exchanges = JSON.parse(
  readFileSync(new URL('../fixtures/qdrant-transcript-1.17.1.json', import.meta.url), 'utf8'),
) as readonly Exchange[];

const title = 'the stand-in answers in the shapes of the published description';

describe.runIf(existsSync(place))(title, () => {
  let standIn: QdrantStandIn;
  let description: Description;

  beforeAll(async () => {
    standIn = await startQdrantStandIn();
    description = JSON.parse(readFileSync(place, 'utf8')) as Description;
  });

  afterAll(() => standIn.close());

  for (const [at, { method, path, body, status, why }] of exchanges.entries()) {
    // One is a broken connection, two are paths that the description does not have.
    if (status === null || status === 404 || path === '/readyz') continue;
    it(`${at} ${method} ${path}: ${why}`, async () => {
      expect(await breaksOf(method, path, body)).toEqual([]);
    });
  }

  it('an update that is only taken, one that timed out, and the queue that they wait in', async () => {
    await breaksOf('PUT', '/collections/c', '{"vectors":{"size":1,"distance":"Dot"}}');
    standIn.fail({ path: /payload/, kind: 'trouble', trouble: 'late', times: 2 });
    standIn.holdUpdates();
    const write = '{"payload":{"a":1},"filter":{}}';
    for (const query of ['wait=false', 'wait=true&timeout=1', 'wait=true']) {
      const again = breaksOf('POST', `/collections/c/points/payload?${query}`, write);
      if (query === 'wait=true') standIn.releaseUpdates();
      expect(await again).toEqual([]);
      expect(await breaksOf('GET', '/collections/c', null)).toEqual([]);
    }
  });

  it.each(faultKinds.filter((kind) => !/cut|delay|late/.test(kind)))('the fault "%s"', async (kind) => {
    await breaksOf('PUT', '/collections/c', '{"vectors":{"size":1,"distance":"Dot"}}');
    standIn.setFaults({ seed: 1, rate: 1, kinds: [kind] });
    const found = await breaksOf('POST', '/collections/c/points/payload?wait=true', '{"payload":{"a":1},"filter":{}}');
    standIn.setFaults(undefined);
    expect(found).toEqual([]);
  });

  async function breaksOf(method: string, path: string, body: string | null): Promise<readonly string[]> {
    const headers = { 'content-type': 'application/json' };
    const reply = await fetch(`${standIn.url}${path}`, { method, body, headers });
    const { responses } = operation(description, method, path);
    const described = reply.ok ? responses['200'] : (responses['4XX'] ?? responses.default);
    const schema = described?.content?.['application/json']?.schema;
    expect(schema).toBeDefined();
    return breaks(await reply.json(), schema as Schema, description.components.schemas);
  }
});

if (!existsSync(place)) {
  it.skip(`${title} (../shared/qdrant/openapi-1.17.1.json beside the project is not there)`, () => undefined);
}

it('the comparison sees a wrong type, a word that is not named, and a member too few or too many', () => {
  const schemas = { Word: { type: 'string', enum: ['ok'] } } as const;
  const schema: Schema = {
    type: 'object',
    required: ['n'],
    properties: { n: { type: 'integer', minimum: 0 }, word: { $ref: '#/components/schemas/Word' } },
  };
  const found = [{ n: 1, word: 'ok' }, { n: '1' }, { n: -1 }, { n: 1, word: 'no' }, {}, { n: 1, m: 2 }].map(
    (value) => breaks(value, schema, schemas).length,
  );
  expect(found).toEqual([0, 1, 1, 1, 1, 1]);
});

function operation({ paths }: Description, method: string, path: string): Operation {
  const parts = path.replace(/\?.*/, '').split('/');
  const fits = (template: string): boolean => {
    const wanted = template.split('/');
    return wanted.length === parts.length && wanted.every((part, at) => part.startsWith('{') || part === parts[at]);
  };
  // A fixed word before a placeholder: `/points/scroll` is no `/points/{id}`.
  const [template = ''] = Object.keys(paths)
    .filter((one) => fits(one) && paths[one]?.[method.toLowerCase()] !== undefined)
    .sort((a, b) => a.split('{').length - b.split('{').length);
  const found = paths[template]?.[method.toLowerCase()];
  if (found === undefined) throw new Error(`the description has no ${method} ${path}`);
  return found;
}
