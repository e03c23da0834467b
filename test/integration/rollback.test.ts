import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { type CliResult, runHere } from '../support/cli.ts';
import { freshId, type Stores, secretsOf, startStores } from '../support/stores.ts';
import { movedWorld, readWorld, type World, worldDifferences } from '../support/world.ts';

describe('rollback', () => {
  let stores: Stores;
  let source: string;
  let target: string;
  let before: World;
  let cwd: string;
  const world = () => readWorld({ ...stores.urls, tenants: [source, target] });
  const run = (args: readonly string[]): Promise<CliResult> =>
    runHere(args, { cwd, env: { TENANT_MIGRATE_CONFIG_SECRETS: secretsOf(source) } });
  const move = (args: readonly string[] = []) => run([source, target, '--json', ...stores.flags, ...args]);
  const failHalfWay = async (): Promise<string> => {
    stores.qdrant.fail({ path: /payload/, kind: 'status', status: 500, skip: 2, times: Number.POSITIVE_INFINITY });
    const failed = await move(['--batch-size', '20']);
    stores.qdrant.clearFailures();
    expect(failed.code).toBe(4);
    return String(failed.json().runId);
  };

  beforeEach(async () => {
    await stores?.stop();
    stores = await startStores();
    [source, target] = [freshId('acme'), freshId('tenant')];
    cwd = mkdtempSync(join(tmpdir(), 'tenant-migrate-rollback-'));
    await stores.seedSmall(source);
    before = await world();
  });
  afterAll(() => stores.stop());

  it('takes back the newest unfinished run to the start, in every store', async () => {
    const id = await failHalfWay();
    expect((await run(['status'])).code).toBe(2);
    const result = await run(['rollback', '--json', ...stores.flags]);
    expect(result.code).toBe(0);
    expect(result.json()).toMatchObject({ command: 'rollback', runId: id, outcome: 'rolled-back', exitCode: 0 });
    expect(worldDifferences(before, await world())).toEqual([]);
    expect((await run(['status'])).stdout).toContain('rolled-back');
    expect((await run(['status'])).code).toBe(0);
  });

  it('takes back a finished run when it is named, and only then', async () => {
    const moved = await move();
    expect(moved.code).toBe(0);
    const unnamed = await run(['rollback', ...stores.flags]);
    expect(unnamed.code).toBe(64);
    expect(unnamed.stderr).toContain('there is no unfinished run');
    const result = await run(['rollback', String(moved.json().runId), ...stores.flags]);
    expect(result.stdout).toMatch(/Rollback Summary[\s\S]*Redis: ✅ 120 keys taken back[\s\S]*✅ Rolled back/);
    expect(result.code).toBe(0);
    expect(worldDifferences(before, await world())).toEqual([]);
  });

  it('is in reach of a move that succeeded: told at its end, offered without a name, and followed by its counts', async () => {
    const moved = await run([source, target, ...stores.flags]);
    const [{ id }] = ((await run(['runs', '--json'])).json() as { runs: [{ id: string }] }).runs;
    expect(moved.stdout).toContain(`undo: tenant-migrate rollback ${id}\n`);
    const bare = await run(['rollback', '--yes', ...stores.flags]);
    expect(bare.stderr).toContain(
      `there is no unfinished run; the newest finished one is ${id} (${source} → ${target}`,
    );
    expect(bare.stderr).toContain(`tenant-migrate rollback ${id}`);
    expect(bare.code).toBe(64);
    const back = await run(['rollback', id, ...stores.flags]);
    expect(back.stderr).toMatch(/Taking back Redis[\s\S]*Found 120 keys to take back/);
    expect(back.code).toBe(0);
    expect((await run(['rollback', ...stores.flags])).stderr).toContain('there is no unfinished run');
    expect(worldDifferences(before, await world())).toEqual([]);
  });

  it('a second rollback changes nothing, and the move can be made again', async () => {
    await failHalfWay();
    expect((await run(['rollback', ...stores.flags])).code).toBe(0);
    const [{ id }] = ((await run(['runs', '--json'])).json() as { runs: [{ id: string }] }).runs;
    expect((await run(['rollback', id, ...stores.flags])).code).toBe(0);
    expect(worldDifferences(before, await world())).toEqual([]);
    expect((await move()).code).toBe(0);
    const after = await world();
    const expected = new Map(movedWorld(before, source, target));
    expected.set(`config ${target}`, after.get(`config ${target}`) ?? 'missing');
    expect(worldDifferences(expected, after)).toEqual([]);
  });

  it('a record that was changed since goes back with the value it has now', async () => {
    const moved = await move();
    const redis = new Redis(stores.urls.redisUrl);
    await redis.set(`${target}_text_chunks:new`, 'written under the new id');
    const [key = ''] = await redis.keys(`${target}_full_docs:*`);
    await redis.set(key, 'changed since', 'KEEPTTL');
    const result = await run(['rollback', String(moved.json().runId), '--json', ...stores.flags]);
    expect(result.code).toBe(0);
    expect(await redis.get(key.replace(target, source))).toBe('changed since');
    expect(await redis.get(`${target}_text_chunks:new`)).toBe('written under the new id');
    const findings = result.json().findings as { kind: string; count: number }[];
    expect(findings.find(({ kind }) => kind === 'stays-at-target')?.count).toBe(1);
    redis.disconnect();
  });

  it('--dry-run says what would be taken back and writes nothing', async () => {
    await failHalfWay();
    const halfWay = await world();
    const result = await run(['rollback', '--dry-run', ...stores.flags]);
    expect(result.code).toBe(0);
    expect(result.stdout).toMatch(/the undo logs of qdrant, redis, config would be taken back/);
    expect(worldDifferences(halfWay, await world())).toEqual([]);
    expect((await run(['status'])).code).toBe(2);
  });

  it('a store that is down fails the rollback with exit 4; again it finishes', async () => {
    await failHalfWay();
    stores.qdrant.fail({ path: /payload/, kind: 'status', status: 500, times: Number.POSITIVE_INFINITY });
    const failed = await run(['rollback', '--json', ...stores.flags]);
    expect(failed.code).toBe(4);
    const rows = failed.json().stages as { name: string; status: string }[];
    expect(rows.find(({ name }) => name === 'qdrant')?.status).toBe('undo-failed');
    expect(rows.find(({ name }) => name === 'redis')?.status).toBe('undone');
    stores.qdrant.clearFailures();
    expect((await run(['rollback', ...stores.flags])).code).toBe(0);
    expect(worldDifferences(before, await world())).toEqual([]);
  });

  it('is refused at other servers than the run’s', async () => {
    await failHalfWay();
    const others = await startStores();
    try {
      const result = await run(['rollback', ...others.flags]);
      expect(result.stdout).toMatch(/was made with other servers: /);
      expect(result.code).toBe(5);
    } finally {
      await others.stop();
    }
    expect((await run(['status'])).code).toBe(2);
  });

  it('without one of its stages leaves the run unfinished until that one is taken back too', async () => {
    await failHalfWay();
    const part = await run(['rollback', '--skip-redis', ...stores.flags]);
    expect(part.stdout).toContain('redis, left out now, is still moved');
    expect((await run(['status'])).code).toBe(2);
    expect((await run(['rollback', ...stores.flags])).code).toBe(0);
    expect((await run(['status'])).code).toBe(0);
    expect(worldDifferences(before, await world())).toEqual([]);
  });

  it('runs lists every run with what to type for the unfinished ones', async () => {
    const id = await failHalfWay();
    const listed = await run(['runs']);
    expect(listed.stdout).toMatch(/^run +started +move {2}state\n/);
    expect(listed.stdout).toContain(`${id}  `);
    expect(listed.stdout).toMatch(
      /failed, unfinished\n {3}next: tenant-migrate resume \S+\n {5}or: tenant-migrate rollback /,
    );
    expect(listed.code).toBe(0);
    expect((await run(['runs', '--json'])).json()).toMatchObject({ runs: [{ id, unfinished: true }] });
    expect((await run(['status', 'nothing-like-it'])).code).toBe(64);
  });
});
