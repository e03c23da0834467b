import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collectionChecks } from '../../src/doctor/qdrant-checks.ts';
import { qdrantStage } from '../../src/stages/qdrant.ts';
import type { Problem, StageOptions } from '../../src/stages/stage.ts';
import { openQdrantHealth } from '../../src/stores/qdrant/qdrant-health.ts';
import type { QdrantWriter } from '../../src/stores/qdrant/qdrant-reader.ts';
import { openQdrantWriter } from '../../src/stores/qdrant/qdrant-store.ts';
import { lightRagId, makeReIdTenants, type ReIdTenants } from '../support/qdrant-re-id.ts';
import { type QdrantStandIn, startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import { FIELD, loggedContext, planOf, wholeMove } from '../support/qdrant-tenants.ts';
import { pointsOf, QdrantWorld } from '../support/qdrant-world.ts';
import { drain, planContext } from '../support/stage-context.ts';

const VECTORS = { vectors: { size: 1, distance: 'Dot' } };
const move = { source: 'siraya', target: 'moved' };

let server: QdrantStandIn;
let world: QdrantWorld;
let store: QdrantWriter;

beforeEach(async () => {
  server = await startQdrantStandIn();
  world = new QdrantWorld(server.url);
  store = await openQdrantWriter({ url: server.url, timeoutMs: 10_000 });
});

afterEach(async () => {
  await store.close();
  await server.close();
});

function point(id: number, tenant: string): string {
  return `{"id":${id},"vector":[1],"payload":{"${FIELD}":${JSON.stringify(tenant)}}}`;
}

/** A collection with points of the source, and only then its limits. */
async function limited(suffix: string, strict: object, index?: object | string): Promise<string> {
  const name = await world.collection(suffix, VECTORS);
  if (index !== undefined)
    await world.send('PUT', `/collections/${name}/index?wait=true`, { field_name: FIELD, field_schema: index });
  await world.upsert(
    name,
    [1, 2, 3].map((id) => point(id, move.source)),
  );
  await world.send('PATCH', `/collections/${name}`, { strict_mode_config: { enabled: true, ...strict } });
  return name;
}

/** What preflight (with its probe, or as of a dry run) and then the plan refuse; the plan only where preflight did not. */
async function refusals(
  given = move,
  { dry = false, options = {} }: { readonly dry?: boolean; readonly options?: Partial<StageOptions> } = {},
): Promise<readonly Problem[]> {
  const before = server.requests.length;
  const early = await qdrantStage.preflight([given], planContext(store, { options }), dry ? undefined : store);
  if (dry) expect(server.requests.slice(before).filter(({ write }) => write)).toEqual([]);
  return early.length > 0 ? early : (await planOf(store, given, options)).problems;
}

async function doctorOn(name: string): Promise<string> {
  const probe = await openQdrantHealth({ url: server.url, timeoutMs: 10_000 });
  const collections = (await probe.collections()).filter((one) => one.name === name);
  await probe.close();
  return JSON.stringify(collectionChecks(collections, FIELD).filter(({ level }) => level === 'error'));
}

describe('a limit of strict mode that the move would meet', () => {
  const serving = { type: 'keyword', is_tenant: true };
  it.each([
    { strict: { max_payload_index_count: 0 }, setting: 'max_payload_index_count' },
    { strict: { search_allow_exact: false }, index: serving, setting: 'search_allow_exact' },
    { strict: { filter_max_conditions: 1 }, index: serving, setting: 'filter_max_conditions' },
    { strict: { condition_max_size: 0 }, index: serving, setting: 'condition_max_size' },
    { strict: { unindexed_filtering_update: false }, index: 'text', setting: 'of type keyword' },
  ])('$setting is refused by doctor, dry run and preflight, which name it: $strict', async (one) => {
    const name = await limited('limited', one.strict, one.index);
    const before = await world.states();
    for (const dry of [true, false]) {
      const problems = await refusals(move, { dry });
      expect(problems).toEqual([
        expect.objectContaining({ code: 'strict-limit', fix: expect.stringContaining(one.setting) }),
      ]);
      expect(problems[0]?.message).toContain(name);
    }
    const text = await doctorOn(name);
    expect(text).toContain(one.setting);
    expect(await world.states()).toEqual(before);
  });

  it.each([
    { strict: { max_payload_index_count: 0 }, next: 'raise max_payload_index_count of' },
    { strict: { search_allow_exact: false }, next: 'set search_allow_exact of' },
    { strict: { max_collection_payload_size_bytes: 1 }, next: 'raise max_collection_payload_size_bytes of' },
  ])('set after the plan is named by the failure: $strict', async ({ strict, next }) => {
    const name = await limited('late', {});
    const plan = await planOf(store, move);
    await world.send('PATCH', `/collections/${name}`, { strict_mode_config: strict });
    const ctx = await loggedContext(store);
    await expect(drain(qdrantStage.apply(plan, ctx))).rejects.toMatchObject({ next: expect.stringContaining(next) });
  });

  it('as many indexes as are allowed are no matter where one of them is on the tenant', async () => {
    await limited('full', { max_payload_index_count: 1 }, serving);
    expect(await refusals()).toEqual([]);
  });

  it('in a collection without points of the source stops nothing', async () => {
    const name = await limited('ours', {}, serving);
    for (const [suffix, strict] of [
      ['exact', { search_allow_exact: false }],
      ['conditions', { filter_max_conditions: 0 }],
      ['indexes', { max_payload_index_count: 0 }],
    ] as const) {
      const other = await world.collection(suffix, VECTORS, { field: FIELD });
      await world.upsert(other, [point(1, 'another')]);
      await world.send('PATCH', `/collections/${other}`, { strict_mode_config: { enabled: true, ...strict } });
    }
    const { findings } = await wholeMove(store, move, { verify: 'full' });
    expect(findings.filter(({ severity }) => severity === 'difference')).toEqual([]);
    expect(JSON.stringify(pointsOf(await world.states())[name])).not.toContain(move.source);
  });

  it('the bytes of all payloads are tried before the first write: the server tells nobody', async () => {
    await limited('bytes', { max_collection_payload_size_bytes: 10 }, serving);
    expect(await refusals()).toEqual([
      expect.objectContaining({ fix: expect.stringContaining('max_collection_payload_size_bytes') }),
    ]);
  });
});

describe('a point that grew past what one request may have', () => {
  const most = 9 << 20;
  const half = 'x'.repeat(5 << 20);
  let small: QdrantStandIn;
  let there: QdrantWriter;
  let tenants: ReIdTenants;

  beforeEach(async () => {
    small = await startQdrantStandIn({ maxBodyBytes: most });
    const at = new QdrantWorld(small.url);
    tenants = await makeReIdTenants(at);
    there = await openQdrantWriter({ url: small.url, timeoutMs: 20_000 });
  });
  async function grow(): Promise<void> {
    const at = new QdrantWorld(small.url);
    const id = `"${lightRagId(tenants.move.source, 'ent-3')}"`;
    for (const name of ['one', 'other']) await at.setPayload(tenants.entities, id, { [name]: half });
  }
  afterEach(async () => {
    await there.close();
    await small.close();
  });

  it.each(['sample', 'full'] as const)(
    'is refused by the plan, with its id and the setting (verify %s)',
    async (verify) => {
      await grow();
      const { problems } = await planOf(there, tenants.move, { verify });
      expect(problems).toEqual([
        expect.objectContaining({
          code: 'point-too-large',
          message: expect.stringContaining(lightRagId(tenants.move.source, 'ent-3')),
          fix: expect.stringContaining('max_request_size_mb of the server to 12'),
        }),
      ]);
      expect(problems[0]?.fix).toContain('--qdrant-mode payload');
    },
  );

  it('is moved with the id that it has', async () => {
    await grow();
    const { findings } = await wholeMove(there, tenants.move, { qdrantMode: 'payload' });
    expect(findings.filter(({ severity }) => severity === 'difference')).toEqual([]);
  });

  it('after the plan is told before it is sent, not by a lost connection', async () => {
    const plan = await planOf(there, tenants.move);
    await grow();
    const ctx = await loggedContext(there);
    await expect(drain(qdrantStage.apply(plan, ctx))).rejects.toMatchObject({
      message: expect.stringContaining('takes no request of 11 MB'),
      next: expect.stringContaining('max_request_size_mb'),
    });
  });
});

it('a request that a proxy finds too long is no sign of another program', async () => {
  await limited('ours', {});
  server.fail({
    path: /payload/,
    kind: 'status',
    status: 413,
    body: '<html>413</html>',
    headers: { 'content-type': 'text/html' },
  });
  await expect(wholeMove(store, move)).rejects.toThrow('refused: store');
});

describe('a key that may write to some collections only', () => {
  it('is refused for each that it may not write to, before anything is written', async () => {
    const [good, bad, worse] = [await limited('a', {}), await limited('b', {}), await limited('c', {})];
    const guarded = await startQdrantStandIn({
      apiKey: 'all',
      tokens: {
        jwt: [good, bad, worse].map((collection) => ({ collection, access: collection === good ? 'rw' : 'r' })),
      },
    });
    for (const name of [good, bad, worse]) await fillLike(guarded.url, name);
    const writer = await openQdrantWriter({ url: guarded.url, apiKey: 'jwt', timeoutMs: 10_000 });
    const problems = await qdrantStage.preflight([move], planContext(writer), writer);
    expect(
      problems.map(({ code, message }) => [code, [good, bad, worse].find((name) => message.includes(name))]),
    ).toEqual([bad, worse].map((name) => ['denied', name]));
    await writer.close();
    await guarded.close();
  });

  async function fillLike(url: string, name: string): Promise<void> {
    const headers = { 'content-type': 'application/json', 'api-key': 'all' };
    const send = (path: string, body: string) =>
      fetch(`${url}/collections/${name}${path}`, { method: 'PUT', headers, body });
    await send('', JSON.stringify(VECTORS));
    await send('/points?wait=true', `{"points":[${point(1, move.source)}]}`);
  }
});

describe('an index that takes other spellings for the same', () => {
  const lower = 'c0ffee00-1111-4222-8333-444455556666';
  const other = 'c0ffee00-1111-4222-8333-444455557777';

  async function under(index: string, ...tenants: readonly string[]): Promise<string> {
    const name = await world.collection('uuids', VECTORS);
    await world.send('PUT', `/collections/${name}/index?wait=true`, { field_name: FIELD, field_schema: index });
    await world.upsert(
      name,
      tenants.map((tenant, at) => point(at + 1, tenant)),
    );
    return name;
  }

  it.each([lower.toUpperCase(), lower.replaceAll('-', ''), `{${lower}}`])('%s is no target for it', async (target) => {
    await under('uuid', lower);
    for (const merge of [false, true]) {
      expect(await refusals({ source: lower, target }, { options: { merge } })).toEqual([
        expect.objectContaining({ code: 'index-equality', fix: expect.stringContaining('keyword') }),
      ]);
    }
  });

  it.each(['counts', 'sample', 'full'] as const)(
    'points in another spelling are not moved along (verify %s)',
    async (verify) => {
      await under('uuid', lower, lower.toUpperCase());
      const problems = await refusals({ source: lower, target: other }, { options: { verify } });
      expect(problems).toEqual([expect.objectContaining({ code: 'index-equality' })]);
      expect(problems[0]?.message).toContain(lower.toUpperCase());
    },
  );

  it('two real UUIDs are moved and undone', async () => {
    await under('uuid', lower, other);
    const before = await world.states();
    const target = 'c0ffee00-1111-4222-8333-444455558888';
    const { undo, findings } = await wholeMove(store, { source: lower, target });
    expect(findings.filter(({ severity }) => severity === 'difference')).toEqual([]);
    await undo();
    expect(await world.states()).toEqual(before);
  });

  it.each([
    ['uuid', 'moved', true],
    ['text', 'moved', true],
    ['integer', 'moved', true],
    ['uuid', other, false],
  ])('a %s index and the target %s: told that it will not be found by it is %s', async (index, target, told) => {
    await under(index, lower);
    const { notices, problems } = await planOf(store, { source: lower, target });
    expect(problems).toEqual([]);
    const [notice] = notices.filter(({ kind }) => kind === 'index-type');
    expect(notice?.message.includes(`does not hold "${target}"`)).toBe(told);
  });

  it('is refused where strict mode wants an index for every filter and it cannot hold the target', async () => {
    const name = await under('uuid', lower);
    for (const strict of [{ unindexed_filtering_update: false }, { unindexed_filtering_retrieve: false }]) {
      await world.send('PATCH', `/collections/${name}`, {
        strict_mode_config: {
          enabled: true,
          unindexed_filtering_update: true,
          unindexed_filtering_retrieve: true,
          ...strict,
        },
      });
      expect(await refusals({ source: lower, target: 'moved' })).toEqual([
        expect.objectContaining({ fix: expect.stringContaining('keyword') }),
      ]);
    }
  });
});
