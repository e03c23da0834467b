import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Redis } from 'ioredis';
import neo4j, { type Driver } from 'neo4j-driver';
import { request } from 'undici';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { acquireLocks } from '../../src/journal/tenant-lock.ts';
import { ownRecords } from '../../src/orchestrator/backup.ts';
import { type CliResult, runCli } from '../support/cli.ts';
import { runCliHere } from '../support/cli-in-process.ts';
import { freshId, type Stores, secretsOf, startStores } from '../support/stores.ts';
import { readWorld, type World, worldDifferences } from '../support/world.ts';

const KEY = 'a passphrase of some length';

describe('backups', () => {
  let stores: Stores;
  let driver: Driver;
  let redis: Redis;
  let tenant: string;
  let neighbour: string;
  let before: World;
  let stateDir: string;
  const world = () => readWorld({ ...stores.urls, tenants: [tenant, neighbour] });
  const env = () => ({ TENANT_MIGRATE_CONFIG_SECRETS: secretsOf(tenant), ENCRYPTION_KEY: KEY });
  const run = (args: readonly string[], given: Record<string, string> = env()): Promise<CliResult> =>
    runCliHere([...args, '--state-dir', stateDir], given);
  const create = async (args: readonly string[] = [], given = env() as Record<string, string>): Promise<string> => {
    const result = await run(['backup', 'create', tenant, '--json', ...args, ...stores.flags], given);
    expect(result.stderr).not.toContain('❌');
    expect(result.code).toBe(0);
    return (result.json().backup as { id: string }).id;
  };
  const restore = (id: string, args: readonly string[] = [], given?: Record<string, string>) =>
    run(['backup', 'restore', id, '--json', ...args, ...stores.flags], given);
  const has = (id: string, file: string) => existsSync(join(folderOf(id), file));
  const folderOf = (id: string) => join(stateDir, 'backups', id);
  const cypher = (text: string, parameters = {}) => driver.executeQuery(text, parameters);

  beforeAll(async () => {
    stores = await startStores();
    driver = neo4j.driver(stores.urls.graphUrl);
    redis = new Redis(stores.urls.redisUrl);
    neighbour = freshId('other');
    await stores.seedSmall(neighbour);
  });
  // The graph is shared, and every index makes the next one slower.
  afterEach(() => dropGraph(tenant));
  afterAll(async () => {
    await dropGraph(neighbour);
    redis.disconnect();
    await driver.close();
    await stores.stop();
  });

  beforeEach(async () => {
    tenant = freshId('acme');
    stateDir = mkdtempSync(join(tmpdir(), 'tenant-migrate-backup-'));
    await stores.seedSmall(tenant);
    before = await world();
  });

  /** Removes all that the tenant has, as somebody would by mistake. */
  async function wipe(): Promise<void> {
    // Keys that no template claims are in no backup, and the config record is its own part.
    const keys = (await redis.keysBuffer(`*${tenant}*`)).filter((key) => !/^(cache|tenant):/.test(String(key)));
    if (keys.length > 0) await redis.del(keys);
    for (const collection of ['lightrag_vdb_chunks', 'lightrag_vdb_entities']) {
      await post(`collections/${collection}/points/delete?wait=true`, {
        filter: { must: [{ key: 'workspace_id', match: { value: tenant } }] },
      });
    }
    await dropGraph(tenant);
    await request(`${stores.urls.apiUrl}/tenants/${tenant}/config`, { method: 'DELETE' });
  }

  /** With its indexes. */
  async function dropGraph(label: string): Promise<void> {
    await cypher(`MATCH (n:\`${label}\`) DETACH DELETE n`);
    const { records } = await cypher('SHOW INDEXES YIELD name, labelsOrTypes WHERE $label IN labelsOrTypes', {
      label,
    });
    for (const record of records) await cypher(`DROP INDEX \`${record.get('name')}\``);
  }

  const post = (path: string, body: object, method: 'POST' | 'PUT' = 'POST') =>
    request(`${stores.urls.qdrantUrl}/${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

  /** The world by content: what is made anew in the graph has other ids. */
  async function content(): Promise<readonly string[]> {
    const lines: string[] = [];
    for (const [name, text] of await world()) {
      if (name.startsWith('node ')) lines.push(`node ${text}`);
      else if (name.startsWith('relationship ')) {
        const { type, properties } = JSON.parse(text) as { type: string; properties: object };
        lines.push(`relationship ${type} ${JSON.stringify(properties)}`);
      } else if (name.startsWith('config ')) lines.push(text.replace(/"(created|updated)_at":[^,}]*/g, ''));
      else lines.push(`${name} ${text}`);
    }
    const { records } = await cypher(
      `MATCH (a:\`${tenant}\`)-[r]->(b) RETURN a.entity_id + type(r) + coalesce(b.entity_id, '') AS line`,
    );
    return [...lines, ...records.map((record) => String(record.get('line')))].sort();
  }

  it('what is wiped comes back in every store, and nothing of a neighbour changes', async () => {
    const wanted = await content();
    const id = await create();
    await wipe();
    expect((await content()).length).toBeLessThan(wanted.length);
    const result = await restore(id);
    expect(result.json().restore).toMatchObject({ outcome: 'restored', exitCode: 0 });
    expect(result.code).toBe(0);
    expect(await content()).toEqual(wanted);
    // Counted as the backup counts: indexes and collections around the records are none of them.
    const { backup, restore: told } = result.json() as unknown as {
      backup: { parts: { stage: string; records: Record<string, number> }[] };
      restore: { stages: { stage: string; restored: number }[] };
    };
    const kept = backup.parts.map(({ stage, records }) => [stage, ownRecords(records)]);
    expect(told.stages.map(({ stage, restored }) => [stage, restored])).toEqual(kept);
    expect(stores.api.stored(tenant)?.sections).toMatchObject({
      llm_config: { api_key: JSON.parse(secretsOf(tenant)).llm_config.api_key },
    });
    const marks = await cypher(
      `MATCH (n:\`${tenant}\`) WHERE n.tenant_migrate_restore IS NOT NULL RETURN count(n) AS count`,
    );
    expect(Number(marks.records[0]?.get('count'))).toBe(0);
  });

  it('restored where all stands there is nothing to do, and nothing is written', async () => {
    const id = await create();
    stores.qdrant.clearRequests();
    stores.api.clearRequests();
    const result = await restore(id);
    expect(result.json().restore).toMatchObject({ outcome: 'nothing-to-do' });
    expect(result.code).toBe(0);
    expect(stores.qdrant.requests.filter(({ write }) => write)).toEqual([]);
    expect(stores.api.requests.filter(({ write }) => write)).toEqual([]);
    expect(worldDifferences(before, await world())).toEqual([]);
  });

  it('a dry run says what would come back and writes nothing', async () => {
    const id = await create();
    await wipe();
    const wiped = await world();
    const result = await run(['backup', 'restore', id, '--dry-run', ...stores.flags]);
    expect(result.stdout).toMatch(/Redis: 120 to restore[\s\S]*Qdrant: 52 to restore/);
    expect(result.code).toBe(0);
    expect(worldDifferences(wiped, await world())).toEqual([]);
  });

  it.each(['redis', 'qdrant', 'graph', 'config'] as const)(
    'one record of %s that exists with other content refuses all, and nothing is written',
    async (stage) => {
      const id = await create();
      await wipe();
      if (stage === 'redis') await redis.set(`${tenant}_text_chunks:chunk-1`, 'somebody else’s', 'NX');
      if (stage === 'redis') await redis.set(keyOf(before), 'somebody else’s');
      if (stage === 'qdrant') await putPoint(id);
      if (stage === 'graph') await cypher(`CREATE (:\`${tenant}\` {entity_id: 'of somebody else'})`);
      if (stage === 'config') await putConfig();
      const disturbed = await world();
      const result = await restore(id);
      expect(result.json().restore).toMatchObject({ outcome: 'refused', exitCode: 5 });
      expect(result.code).toBe(5);
      expect(worldDifferences(disturbed, await world())).toEqual([]);
    },
  );

  function keyOf(of: World): string {
    const name = [...of.keys()].find((one) => one.startsWith(`redis ${tenant}_full_docs:`));
    return (name ?? '').slice('redis '.length);
  }

  async function putPoint(id: string): Promise<void> {
    const lines = gunzipSync(readFileSync(join(folderOf(id), 'qdrant.ndjson.gz')))
      .toString('utf8')
      .split('\n');
    const { collection, point } = JSON.parse(lines.find((line) => line.startsWith('{"kind":"point"')) ?? '');
    const body = { points: [{ ...point, payload: { ...point.payload, content: 'changed' } }] };
    expect((await post(`collections/${collection}/points?wait=true`, body, 'PUT')).statusCode).toBe(200);
  }

  const putConfig = () =>
    request(`${stores.urls.apiUrl}/tenants/${tenant}/config`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ llm_config: { provider: 'another', api_key: 'sk-another-secret' } }),
    });

  it('holds no secret readably, and no rights for others', async () => {
    const id = await create();
    const secrets = Object.values(JSON.parse(secretsOf(tenant)) as Record<string, Record<string, string>>).flatMap(
      (section) => Object.values(section),
    );
    expect(secrets.length).toBeGreaterThan(3);
    expect(statSync(folderOf(id)).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(folderOf(id))) {
      const path = join(folderOf(id), name);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      const bytes = name.endsWith('.gz') ? gunzipSync(readFileSync(path)) : readFileSync(path);
      for (const secret of secrets.filter((one) => one.length > 8)) expect(bytes.includes(secret)).toBe(false);
      expect(bytes.includes(KEY)).toBe(false);
    }
  });

  it('says which secrets it could not keep; then the config comes back only with them', async () => {
    const id = await create([], {});
    expect((await run(['backup', 'create', tenant, ...stores.flags], {})).stdout).toMatch(
      /not kept \(config\): the secrets llm_config\.api_key.*ENCRYPTION_KEY is not set/,
    );
    await wipe();
    const without = await restore(id, [], {});
    expect(without.json().restore).toMatchObject({ outcome: 'partial', exitCode: 4 });
    expect(stores.api.stored(tenant)).toBeUndefined();
    const given = await restore(id, [], { TENANT_MIGRATE_CONFIG_SECRETS: secretsOf(tenant) });
    expect(given.json().restore).toMatchObject({ outcome: 'restored' });
    expect(given.code).toBe(0);
    expect(stores.api.stored(tenant)).toBeDefined();
  });

  it('one changed byte in any file is found, named, and refuses a restore', async () => {
    const id = await create();
    expect((await run(['backup', 'verify', id])).code).toBe(0);
    for (const name of readdirSync(folderOf(id))) {
      const path = join(folderOf(id), name);
      const whole = readFileSync(path);
      const damaged = Buffer.from(whole);
      const at = Math.floor(damaged.length / 2);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      writeFileSync(path, damaged);
      const result = await run(['backup', 'verify', id]);
      expect(result.stdout).toContain(`❌ ${name}: `);
      expect(result.code).toBe(2);
      expect((await restore(id)).code).toBe(5);
      writeFileSync(path, whole.subarray(0, whole.length - 20));
      expect((await run(['backup', 'verify', id])).code).toBe(2);
      writeFileSync(path, whole);
    }
    expect((await run(['backup', 'verify', id])).code).toBe(0);
  });

  it('a key that has expired since stays away, and is counted', async () => {
    const key = `${tenant}_text_chunks:short`;
    await redis.set(key, 'gone soon', 'PX', 2_500);
    const id = await create(['--only', 'redis']);
    while ((await redis.exists(key)) === 1) await new Promise((resolve) => setTimeout(resolve, 50));
    await wipe();
    const result = await restore(id);
    const { stages } = result.json().restore as { stages: { stage: string; expired: number }[] };
    expect(stages.find(({ stage }) => stage === 'redis')?.expired).toBe(1);
    expect(await redis.exists(key)).toBe(0);
    expect(result.code).toBe(0);
  });

  it('a relationship to a node of somebody else comes back where that stands as it was, and is reported elsewhere', async () => {
    await cypher(`CREATE (:\`${neighbour}\` {entity_id: 'outside', n: 7})`);
    await cypher(
      `MATCH (a:\`${tenant}\` {entity_id: 'Entity 1'}) MATCH (b:\`${neighbour}\` {entity_id: 'outside'})
       CREATE (a)-[:TOUCHES {since: date('2026-01-02')}]->(b) CREATE (b)-[:KNOWS]->(a)`,
    );
    const id = await create();
    await wipe();
    expect((await restore(id)).code).toBe(0);
    const count = async () => {
      const { records } = await cypher(`MATCH (:\`${tenant}\`)-[r]-(:\`${neighbour}\`) RETURN count(r) AS count`);
      return Number(records[0]?.get('count'));
    };
    expect(await count()).toBe(2);
    await wipe();
    await cypher(`MATCH (n:\`${neighbour}\` {entity_id: 'outside'}) SET n.n = 8`);
    const result = await restore(id);
    expect(result.json().restore).toMatchObject({ outcome: 'partial' });
    expect(JSON.stringify(result.json().restore)).toContain('relationships TOUCHES to nodes of others');
    expect(result.code).toBe(4);
    expect(await count()).toBe(0);
  });

  it('a restore that fails in one store is finished by the same command', async () => {
    const wanted = await content();
    const id = await create();
    await wipe();
    stores.qdrant.fail({ path: /points\?wait/, kind: 'status', status: 500, skip: 1, times: Number.POSITIVE_INFINITY });
    const failed = await restore(id);
    stores.qdrant.clearFailures();
    expect(failed.json().restore).toMatchObject({ outcome: 'partial', exitCode: 4 });
    expect(failed.code).toBe(4);
    const again = await restore(id);
    expect(again.json().restore).toMatchObject({ outcome: 'restored' });
    expect(await content()).toEqual(wanted);
  });

  it('killed in the middle it is listed as unfinished, and never restored', async () => {
    const id = await create();
    stores.qdrant.fail({ path: /scroll/, kind: 'delay', ms: 20_000 });
    const killed = runCli(['backup', 'create', tenant, '--state-dir', stateDir, ...stores.flags], {
      env: env(),
      onStart: async (kill) => {
        while (!readdirSync(join(stateDir, 'backups')).some((name) => name !== id && has(name, 'qdrant.ndjson.gz'))) {
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        kill('SIGKILL');
      },
    });
    expect(await killed).toMatchObject({ code: -1, stderr: '' });
    stores.qdrant.clearFailures();
    const unfinished = readdirSync(join(stateDir, 'backups')).find((name) => name !== id) ?? '';
    const listed = await run(['backup', 'list']);
    expect(listed.stdout).toContain(`${unfinished}  unfinished`);
    expect(listed.stdout).toMatch(new RegExp(`${id} {2}${tenant} {2}config 1, redis 120, qdrant 52, graph \\d+`));
    expect((await restore(unfinished)).code).toBe(5);
    expect((await run(['backup', 'verify', unfinished])).code).toBe(5);
  });

  it('a backup that fails leaves no folder, and an unknown tenant none either', async () => {
    stores.qdrant.fail({ path: /scroll/, kind: 'status', status: 500, times: Number.POSITIVE_INFINITY });
    const failed = await run(['backup', 'create', tenant, ...stores.flags]);
    stores.qdrant.clearFailures();
    expect(failed.code).toBe(5);
    const unknown = await run(['backup', 'create', freshId('nobody'), ...stores.flags]);
    expect(unknown.stderr).toContain('no store holds anything of');
    expect(unknown.code).toBe(5);
    expect(existsSync(join(stateDir, 'backups')) ? readdirSync(join(stateDir, 'backups')) : []).toEqual([]);
  });

  it('what was left out is not asked for when it is restored', async () => {
    const id = await create(['--only', 'redis']);
    await wipe();
    const result = await run(['backup', 'restore', id, '--redis-url', stores.urls.redisUrl]);
    expect(result.stdout).toContain('Redis: 120 restored');
    expect(result.code).toBe(0);
  });

  it('is refused while another process works on the tenant, and writes nothing', async () => {
    const id = await create(['--only', 'redis']);
    await wipe();
    const wiped = await world();
    const since = new Date().toISOString();
    const owner = { runId: 'another', pid: process.ppid, host: hostname(), command: 'move', since };
    const locks = await acquireLocks({ stateDir, tenants: [tenant], owner });
    const refused = await restore(id, ['--only', 'redis']);
    expect(refused.stderr).toContain(tenant);
    expect(refused.code).toBe(5);
    expect((await run(['backup', 'create', tenant, ...stores.flags])).code).toBe(5);
    expect(readdirSync(join(stateDir, 'backups'))).toEqual([id]);
    expect(worldDifferences(wiped, await world())).toEqual([]);
    await locks.release();
    expect((await restore(id, ['--only', 'redis'])).code).toBe(0);
    expect(await redis.keys('*tenant-migrate*')).toEqual([]);
  });

  it('is kept a week, longer where that is asked for, and then goes with cleanup', async () => {
    const id = await create(['--only', 'redis', '--keep-days', '0']);
    expect((await run(['backup', 'list'])).stdout).toMatch(/redis 120 {2}[\d.]+ kB {2}expired /);
    expect((await run(['backup', 'cleanup', '--dry-run'])).stdout).toContain(`${id} would be removed`);
    const extended = await run(['backup', 'extend', id.slice(0, 17), '--days', '3']);
    expect(extended.stdout).toContain(
      `${id} is kept until ${new Date(Date.now() + 3 * 86_400_000).toISOString().slice(0, 10)}`,
    );
    expect((await run(['backup', 'cleanup'])).stdout).toContain('0 removed, 1 kept');
    const short = await create(['--only', 'redis', '--keep-days', '0']);
    expect((await run(['backup', 'cleanup', '--json'])).json()).toMatchObject({ removed: [short], kept: 1 });
    expect(readdirSync(join(stateDir, 'backups'))).toEqual([id]);
  });

  it('a wrong line is refused as usage', async () => {
    expect((await run(['backup'])).code).toBe(64);
    expect((await run(['backup', 'restore', 'nothing-like-it'])).code).toBe(64);
    expect((await run(['backup', 'create', ''])).code).toBe(64);
    expect((await run(['backup', 'list', '--dry-run'])).code).toBe(64);
  });
});
