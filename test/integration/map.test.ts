import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.ts';
import { runCliHere } from '../support/cli-in-process.ts';
import { freshId, type Stores, secretsOf, startStores } from '../support/stores.ts';
import { movedWorld, readWorld, type World, worldDifferences } from '../support/world.ts';

/** One world for all: each test leaves it as it found it, which is what a rollback promises. */
describe('a list of moves', { timeout: 120_000 }, () => {
  let stores: Stores;
  let redis: Redis;
  let folder: string;
  let ids: Record<'a' | 'b' | 'c' | 'x' | 'y' | 'm' | 'n' | 'p' | 'q' | 'near', string>;
  let before: World;
  let configs: Map<string, unknown>;
  let env: { readonly TENANT_MIGRATE_CONFIG_SECRETS: string };
  const moves = (): [string, string][] => [
    [ids.a, ids.b],
    [ids.b, ids.c],
    [ids.x, ids.y],
    [ids.y, ids.x],
    [ids.m, ids.n],
    [ids.p, ids.q],
  ];
  const list = (rows = moves(), name = 'tenants.csv') => {
    const path = join(folder, name);
    writeFileSync(path, ['source,target', ...rows.map((row) => row.join(','))].join('\r\n'));
    return path;
  };
  const statePath = (...names: string[]) => join(folder, 'state', ...names);
  const line = (args: readonly string[]) => [
    ...args,
    ...(/^(move|plan|verify)$/.test(args[0] ?? '') ? stores.flags : []),
    '--state-dir',
    statePath(),
  ];
  const run = (...args: readonly string[]) => runCliHere(line(args), env);
  /** As a process of its own, which is killed once its stderr says so. */
  const killed = async (text: RegExp, ...args: readonly string[]) => {
    const result = await runCli(line(args), {
      env,
      onStderr: (stderr, kill) => {
        if (text.test(stderr)) kill('SIGKILL');
      },
    });
    expect(result.code, result.stderr).toBe(-1);
  };
  /** The same, with a key of others in the way of b from the second wave on. */
  const disturbed = (...args: readonly string[]) => {
    let isSet = false;
    return runCli(line(args), {
      env,
      onStderr: (stderr) => {
        if (isSet || !/Wave 2 of 3/.test(stderr)) return;
        isSet = true;
        redis.set(`${ids.b}:late`, 'x').catch(() => undefined);
      },
    });
  };
  const world = () => readWorld({ ...stores.urls, tenants: Object.values(ids) });
  const without = (all: World, names: RegExp): World => new Map([...all].filter(([name]) => !names.test(name)));
  const statusesOf = (report: Readonly<Record<string, unknown>>) =>
    (report.tenants as { status: string }[]).map(({ status }) => status);
  /** Configs by their sections, secrets included: the record of one that was written again has a new time in it. */
  const expectWorld = async (expected: World, names: RegExp, owners: readonly (readonly [string, string])[]) => {
    expect(worldDifferences(without(expected, names), without(await world(), names))).toEqual([]);
    for (const [source, target] of owners) expect(stores.api.stored(target)?.sections).toEqual(configs.get(source));
  };
  const expectMoved = () => {
    const t = freshId('t');
    const swap: [string, string][] = [[ids.x, t], [ids.y, ids.x], [t, ids.y]]; // biome-ignore format: short
    const steps = [[ids.b, ids.c], [ids.a, ids.b], ...swap, [ids.m, ids.n], [ids.p, ids.q]] as const; // biome-ignore format: short
    const expected = steps.reduce((all, [from, to]) => movedWorld(all, from, to), before);
    return expectWorld(expected, /^(config|redis tenant:config:|index) /, moves());
  };
  const expectAsBefore = async () => {
    await expectWorld(
      before,
      /^config /,
      moves().map(([source]) => [source, source]),
    );
    for (const id of [ids.c, ids.n, ids.q]) expect(stores.api.stored(id)).toBeUndefined();
  };

  beforeAll(async () => {
    stores = await startStores();
    redis = new Redis(stores.urls.redisUrl);
    const names = ['a', 'b', 'c', 'x', 'y', 'm', 'n', 'p', 'q'] as const;
    ids = Object.fromEntries(names.map((name) => [name, freshId(name)])) as typeof ids;
    ids.near = `${ids.a}_eu`;
    const sources = moves().map(([source]) => source);
    for (const id of [...sources, ids.near]) await stores.seedSmall(id);
    configs = new Map(sources.map((id) => [id, structuredClone(stores.api.stored(id)?.sections)]));
    const secrets = Object.fromEntries(sources.map((id) => [id, JSON.parse(secretsOf(id))]));
    env = { TENANT_MIGRATE_CONFIG_SECRETS: JSON.stringify(secrets) };
    before = await world();
  }, 120_000);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tenant-migrate-map-'));
  });
  afterAll(async () => {
    redis.disconnect();
    await stores.stop();
  });

  it('with a chain and a swap is planned, moved in waves, verified, and taken back to where it was', async () => {
    const looked = await run('plan', '--map', list());
    expect(looked.code, looked.stderr).toBe(0);
    expect(looked.stdout).toContain('6 tenants: 6 planned');
    expect(looked.stdout).toMatch(/wave 3, through x_\w+-swap-[0-9a-f]{8}/);
    expect(looked.stdout).not.toContain('stand-in');
    expect(existsSync(statePath())).toBe(false);

    const moved = await run('move', '--map', list(), '--json');
    expect(moved.code, moved.stderr).toBe(0);
    const asked = moves().map(([source, target]) => ({ source, target }));
    const stages = {
      redis: { found: 120, moved: 120 },
      qdrant: { moved: 52 },
      graph: { moved: 30 },
      config: { moved: 1 },
    };
    expect(moved.json()).toMatchObject({
      outcome: 'done',
      moves: asked,
      tenants: [2, 1, 3, 2, 1, 1].map((wave) => ({ wave, status: 'done', stages })),
      waves: Array(3).fill({ status: 'done' }),
    });
    await expectMoved();

    const again = await run('move', '--map', list([...moves()].reverse(), 'again.csv'), '--json');
    expect(again.json()).toMatchObject({ outcome: 'nothing-to-do', exitCode: 0 });
    const verified = await run('verify', '--map', list(), '--json');
    expect(verified.json(), verified.stderr).toMatchObject({ outcome: 'verified', exitCode: 0 });
    await redis.set(`${ids.m}:new`, 'x');
    const late = await run('move', '--map', list(), '--json');
    expect(late.json(), late.stderr).toMatchObject({ outcome: 'refused', problems: [{ code: 'done-before' }] });
    await redis.del(`${ids.m}:new`);

    const id = String(moved.json().runId);
    expect((await run('status', id)).stdout).toMatch(/List map-.* done[\s\S]*wave 3: done/);
    const wave = (moved.json().waves as { runId: string }[])[0]?.runId as string;
    const single = await run('rollback', wave);
    expect(single.code).toBe(64);
    expect(single.stderr).toContain(`rollback ${id}`);
    const back = await run('rollback', id, '--json');
    expect(back.json(), back.stderr).toMatchObject({ outcome: 'rolled-back', exitCode: 0 });
    expect(statusesOf(back.json())).toEqual(Array(6).fill('undone'));
    await expectAsBefore();
  });

  it('killed between two waves it keeps others off its tenants; resume goes on, and rollback takes all back', async () => {
    await killed(/Wave 2 of 3/, 'move', '--map', list());
    const other = await run('move', ids.c, freshId('elsewhere'), '--json');
    expect(other.code).toBe(5);
    expect(JSON.stringify(other.json().problems)).toMatch(/resume map-/);
    const status = await run('status', '--json');
    expect(status.code).toBe(2);
    const id = String(status.json().id);
    const words = `--state-dir ${statePath()}`;
    expect(status.json().next).toEqual([
      `tenant-migrate resume ${id} ${words}`,
      `tenant-migrate rollback ${id} ${words}`,
    ]);
    const resumed = await run('resume', '--json');
    expect(resumed.json(), resumed.stderr).toMatchObject({ outcome: 'done', runId: id, exitCode: 0 });
    expect(statusesOf(resumed.json())).toEqual(Array(6).fill('done'));
    await expectMoved();
    const old = await run('runs', 'cleanup', '--days', '0', '--dry-run', '--json');
    expect(old.json().removed).toHaveLength(4);

    await killed(/Wave 2 of 3[\s\S]*Taking back/, 'rollback', id);
    // The attempt that was refused, and no wave.
    const kept = await run('runs', 'cleanup', '--days', '0', '--json');
    expect(kept.json().removed).toMatchObject([{ state: 'refused' }]);
    const back = await run('rollback', '--json', '--settle', '0.5');
    expect(back.json(), back.stderr).toMatchObject({ outcome: 'rolled-back', runId: id, exitCode: 0 });
    await expectAsBefore();
    await run('runs', 'cleanup', '--days', '0');
    expect(readdirSync(statePath('maps'))).toEqual([]);
  });

  it('killed in the middle of a wave, the same command goes on with it', async () => {
    stores.qdrant.setLatency(60);
    await killed(/Wave 2 of 3[\s\S]*Migrating Qdrant/, 'move', '--map', list(), '--batch-size', '3');
    stores.qdrant.setLatency(0);
    const again = await run('move', '--map', list(), '--json', '--settle', '0.5');
    expect(again.json(), again.stderr).toMatchObject({ outcome: 'done', exitCode: 0 });
    await expectMoved();
    const back = await run('rollback', String(again.json().runId), '--json');
    expect(back.json(), back.stderr).toMatchObject({ outcome: 'rolled-back' });
    await expectAsBefore();
  });

  it('is refused before any write where one target holds data of others, or one tenant is nowhere', async () => {
    await redis.set(`${ids.q}:foreign`, 'x');
    const taken = await run('move', '--map', list(), '--json');
    expect(taken.json()).toMatchObject({ outcome: 'refused', exitCode: 5, problems: [{ code: 'both-have-data' }] });
    await redis.del(`${ids.q}:foreign`);
    const path = list([...moves(), [freshId('nowhere'), freshId('n')]]);
    const missing = await run('move', '--map', path, '--json');
    expect(missing.json()).toMatchObject({ outcome: 'refused', problems: [{ code: 'unknown-tenant' }] });
    const temporary = (JSON.stringify(missing.json().tenants).match(/x_\w+-swap-\w{8}/) ?? [])[0] as string;
    await redis.set(`${temporary}:left`, 'x');
    const left = await run('move', '--map', path, '--skip-missing', '--json');
    expect(left.json(), left.stderr).toMatchObject({ outcome: 'refused', problems: [{ code: 'temporary-taken' }] });
    await redis.del(`${temporary}:left`);
    expect(existsSync(statePath('runs')) || existsSync(statePath('maps'))).toBe(false);
    await expectAsBefore();
  });

  it('fails in a later wave: all waves are taken back, or it tells what became of each tenant and goes on', async () => {
    const undone = await disturbed('move', '--map', list(), '--auto-rollback', '--json');
    expect(undone.json(), undone.stderr).toMatchObject({ outcome: 'undone', exitCode: 3 });
    await redis.del(`${ids.b}:late`);
    await expectAsBefore();
    const path = list([...moves(), [freshId('nowhere'), freshId('n')]]);
    const failed = await disturbed('move', '--map', path, '--skip-missing', '--json');
    expect(failed.json(), failed.stderr).toMatchObject({ outcome: 'failed', exitCode: 4 });
    expect(failed.json().next).toMatch(/resume map-/);
    expect(statusesOf(failed.json())).toEqual(['not-run', 'done', 'partial', 'not-run', 'done', 'done', 'missing']);
    const stored = readFileSync(statePath('maps', String(failed.json().runId), 'report.json'), 'utf8');
    expect(JSON.parse(stored)).toMatchObject({ outcome: 'failed' });
    await redis.del(`${ids.b}:late`);
    const resumed = await run('resume', '--json');
    expect(resumed.json(), resumed.stderr).toMatchObject({ outcome: 'done', exitCode: 0 });
    await expectMoved();
    const back = await run('rollback', String(resumed.json().runId), '--json');
    expect(back.json(), back.stderr).toMatchObject({ outcome: 'rolled-back' });
    await expectAsBefore();
  });

  it('that no store knows is not called verified', async () => {
    const [one, two, three] = [freshId('o'), freshId('t'), freshId('th')];
    const chain: [string, string][] = [[one, two], [two, three]]; // biome-ignore format: short
    const nothing = await run('verify', '--map', list(chain), '--json');
    expect(nothing.json()).toMatchObject({
      outcome: 'refused',
      exitCode: 5,
      problems: [{ code: 'unknown-tenant' }, {}],
    });
    const some = list([...moves(), ...chain], 'some.csv');
    const without = await run('verify', '--map', some, '--json', '--skip-missing');
    expect(without.json(), without.stderr).toMatchObject({ outcome: 'differences', exitCode: 2 });
    expect(statusesOf(without.json()).filter((status) => status === 'missing')).toHaveLength(2);
  });

  it('without chains is one run, whose report tells of each tenant; wrong lists are refused with their line', async () => {
    const path = list([
      [ids.m, ids.n],
      [ids.p, ids.q],
    ]);
    const moved = await run('move', '--map', path, '--json');
    expect(moved.json(), moved.stderr).toMatchObject({ outcome: 'done', tenants: Array(2).fill({ status: 'done' }) });
    expect(moved.json().waves).toBeUndefined();
    const back = await run('rollback', String(moved.json().runId), '--json');
    expect(back.json(), back.stderr).toMatchObject({ outcome: 'rolled-back' });
    await expectAsBefore();
    for (const [args, says] of [
      [
        ['move', '--map', list([[ids.m, 'x:y']], 'bad.csv')],
        `bad.csv:2:${ids.m.length + 2}: the target tenant id 'x:y'`,
      ],
      [['move', ids.m, ids.n, '--map', path], '--map names the tenants'],
      [['move', '--map', join(folder, 'absent.csv')], 'absent.csv cannot be read (ENOENT)'],
      [['plan', '--map', list(), '--out', 'plan.json'], 'takes 3 waves'],
      [['apply', '--map', path, 'plan.json'], '--map does not go with apply'],
    ] as const) {
      const refused = await run(...args);
      expect(refused.stderr).toContain(says);
      expect(refused.code).toBe(64);
    }
  });
});
