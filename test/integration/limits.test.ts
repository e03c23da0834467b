import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { seedTenant } from '../../scripts/seed.ts';
import type { CliResult } from '../support/cli.ts';
import { type QdrantStandIn, startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import {
  edit,
  type RedisRun,
  runIds,
  startRedisRun,
  type UnderWay,
  until,
  untilLookedAt,
} from '../support/redis-run.ts';
import { readWorld, worldDifferences } from '../support/world.ts';

let world: RedisRun;
let pauseFile: string;

beforeEach(async () => {
  world = await startRedisRun();
  pauseFile = join(world.cwd, 'pause');
});
afterEach(() => world.stop());

/** A move that waits in its middle. */
async function pausedHalfWay(more: readonly string[] = []): Promise<UnderWay> {
  const process = await world.hold(world.moveWords(['--pause-file', pauseFile, '--json', ...more]));
  writeFileSync(pauseFile, '');
  await untilLookedAt();
  world.proxy.hang(false);
  await until(() => process.stderr().includes('paused: goes on when'), process);
  return process;
}

/** A user who may rename all keys but those whose number begins with a 9: 11 of 200. */
async function almostMighty(): Promise<Record<string, string>> {
  const others = ['~[^a]*', '~acme:*', '~acme_[^t]*', '~acme_text_chunks_*'];
  const allowed = `(+renamenx ${others.join(' ')} ~acme_text_chunks:[^9]*)`;
  await world.redis.call('ACL', 'SETUSER', 'mover', 'on', '>pw', '~*', '&*', '+@all', '-renamenx', allowed);
  return { REDIS_USERNAME: 'mover', REDIS_PASSWORD: 'pw' };
}

async function mighty(): Promise<void> {
  await world.redis.call('ACL', 'SETUSER', 'mover', 'clearselectors', '+renamenx');
}

describe('limits', () => {
  it('--max-errors and --max-error-rate stop early and are named; within them all that can be is moved, and the run fails', async () => {
    const env = await almostMighty();
    const none = await world.run(world.moveWords(['--max-errors', '0', '--json']), { env });
    expect(none.code).toBe(4);
    expect(none.json()).toMatchObject({ outcome: 'failed', limit: { name: 'max-errors', limit: 0 } });
    expect(none.json().error).toMatch(/more than --max-errors 0/);
    expect(none.stderr).toContain('acme_text_chunks:9');
    expect(await world.count('acme')).toBeGreaterThan(11);
    const all = await world.run(['resume', '--max-errors', '1000', '--max-error-rate', '50', '--json'], { env });
    expect(all.code).toBe(4);
    expect(all.json()).toMatchObject({ outcome: 'failed', limit: null });
    expect(all.json().error).toMatch(/11 records could not be moved in redis/);
    expect(await world.count('acme')).toBe(11);
    await mighty();
    expect((await world.run(['resume'], { env })).code).toBe(0);
    expect(await world.missing()).toEqual([]);
  });

  it('--max-error-rate stops a run in which too many fail', async () => {
    const env = await almostMighty();
    const rate = await world.run(world.moveWords(['--max-error-rate', '0.5', '--json']), { env });
    expect(rate.code).toBe(4);
    expect(rate.json().limit).toMatchObject({ name: 'max-error-rate', limit: 0.005 });
  });

  it('--timeout ends a run that takes too long, resumably', async () => {
    world.proxy.setLatency(5);
    const process = world.start(world.moveWords(['--timeout', '5', '--json']));
    await until(async () => (await world.count('tenant_7')) > 20, process);
    world.proxy.setLatency(300);
    const ended = await process.ended;
    world.proxy.setLatency(0);
    expect(ended.code).toBe(4);
    expect(ended.json()).toMatchObject({ outcome: 'failed', limit: { name: 'timeout', limit: 5_000 } });
    expect(await world.count('acme')).toBeGreaterThan(0);
    const [id = ''] = runIds(world.stateDir);
    expect(ended.json().next).toMatch(new RegExp(`^tenant-migrate resume ${id} .*--timeout`));
    // It does not hold for taking back what it ended.
    edit(join(world.stateDir, 'runs', id, 'run.json'), (text) => text.replace('"timeout": "5"', '"timeout": "0.1"'));
    const back = await world.run(['rollback', '--json']);
    expect(back.json()).toMatchObject({ outcome: 'rolled-back', limit: null });
    expect(back.code).toBe(0);
    expect(await world.changed()).toEqual([]);
  });

  it('--pause-file lets a run wait between batches and go on', async () => {
    const process = await pausedHalfWay();
    const moved = await world.count('tenant_7');
    const status = await world.run(['status', '--json']);
    expect(status.json()).toMatchObject({ state: 'paused', unfinished: true, next: [] });
    await sleep(700);
    expect(await world.count('tenant_7')).toBe(moved);
    rmSync(pauseFile);
    const { code, stderr } = await process.ended;
    expect(stderr).toMatch(/goes on after a pause of \d+ s/);
    expect(code).toBe(0);
    expect(await world.missing()).toEqual([]);
  });

  it('Ctrl-C ends a run that is paused', async () => {
    const process = await pausedHalfWay();
    process.kill('SIGINT');
    const stopped = await process.ended;
    expect(stopped.code).toBe(130);
    expect(stopped.json()).toMatchObject({ outcome: 'stopped', limit: null });
    rmSync(pauseFile);
    expect((await world.run(['resume'])).code).toBe(0);
    expect(await world.missing()).toEqual([]);
  });
});

describe('--auto-rollback', () => {
  let qdrant: QdrantStandIn;
  const both = () => readWorld({ redisUrl: world.server.url, qdrantUrl: qdrant.url });
  const move = () => {
    const flags = ['--only', 'qdrant', '--qdrant-url', qdrant.url, '--batch-size', '10', '--auto-rollback', '--json'];
    return world.run(world.moveWords(flags));
  };
  const rowsOf = (result: CliResult) =>
    (result.json().stages as { name: string; status: string }[]).map(({ name, status }) => `${name} ${status}`);

  beforeEach(async () => {
    qdrant = await startQdrantStandIn();
    const tenant = { tenant: 'acme', keys: 0, points: { lightrag_vdb_chunks: 40 }, nodes: 0, relationships: 0 };
    await seedTenant(tenant, { qdrantUrl: qdrant.url });
  });
  afterEach(() => qdrant.close());

  it('takes a failed run back to the exact start, exit 3', async () => {
    const body = '{"status":{"error":"Wrong input: no"},"time":0}';
    qdrant.fail({ path: /payload/, kind: 'status', status: 400, body, skip: 2, times: 1 });
    const before = await both();
    const undone = await move();
    expect(undone.code).toBe(3);
    expect(undone.json()).toMatchObject({ command: 'move', outcome: 'undone', next: null });
    expect(undone.json().error).toMatch(/Wrong input: no/);
    expect(undone.json().message).toMatch(/Wrong input: no.*taken back in qdrant, redis/s);
    expect(rowsOf(undone)).toEqual(expect.arrayContaining(['redis undone', 'qdrant undone']));
    expect(worldDifferences(before, await both())).toEqual([]);
    const status = await world.run(['status', '--json']);
    expect(status.json()).toMatchObject({ state: 'rolled-back', unfinished: false, next: [] });
    expect(status.code).toBe(0);
    expect((await move()).code).toBe(0);
  });

  it('that cannot take everything back ends with 4, both errors and the command that goes on', async () => {
    qdrant.fail({ path: /payload/, kind: 'status', status: 500, skip: 2, times: Number.POSITIVE_INFINITY });
    const before = await both();
    const failed = await move();
    expect(failed.code).toBe(4);
    expect(failed.json()).toMatchObject({ outcome: 'failed' });
    expect(failed.json().error).toMatch(/HTTP 500.*; while undoing: .*HTTP 500/s);
    expect(failed.json().next).toMatch(/^tenant-migrate rollback /);
    expect(rowsOf(failed)).toEqual(expect.arrayContaining(['redis undone', 'qdrant undo-failed']));
    expect(await world.changed()).toEqual([]);
    qdrant.clearFailures();
    expect((await world.run(['rollback'])).code).toBe(0);
    expect(worldDifferences(before, await both())).toEqual([]);
  });

  it('leaves a run that was stopped by a signal where it is', async () => {
    const process = await pausedHalfWay(['--auto-rollback']);
    process.kill('SIGINT');
    const stopped = await process.ended;
    expect(stopped.code).toBe(130);
    expect(stopped.json().outcome).toBe('stopped');
    expect(await world.count('tenant_7')).toBeGreaterThan(20);
    rmSync(pauseFile);
    expect((await world.run(['resume'])).code).toBe(0);
  });
});

const path = mkdtempSync(join(tmpdir(), 'tenant-migrate-disk-'));

describe.skipIf(!canMount())('a disk that is full', () => {
  beforeAll(mountDisk);
  const fill = () => {
    try {
      for (let n = 0; ; n += 1) writeFileSync(join(path, `ballast-${n}`), Buffer.alloc(n < 30 ? 1 << 20 : 4_096));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  };
  afterEach(() => execFileSync('/bin/sh', ['-c', `rm -rf ${path}/*`]));
  afterAll(unmountDisk);

  it('refuses a run with 78 before anything is written', async () => {
    fill();
    const refused = await world.run(world.moveWords(['--state-dir', join(path, 'state')]));
    expect(refused.code).toBe(78);
    expect(refused.stdout + refused.stderr).toMatch(/ENOSPC/);
    expect(await world.changed()).toEqual([]);
  });

  it('ends a run that has written with 4 and its report; with room again it is resumed', async () => {
    const state = ['--state-dir', join(path, 'state')];
    const process = await pausedHalfWay(state);
    fill();
    rmSync(pauseFile);
    const failed = await process.ended;
    expect(failed.code).toBe(4);
    expect(failed.json()).toMatchObject({ schema: 'tenant-migrate/report@1', outcome: 'failed' });
    expect(failed.json().error).toMatch(/ENOSPC/);
    expect(failed.json().next).toMatch(/^tenant-migrate resume \S+ --state-dir /);
    execFileSync('/bin/sh', ['-c', `rm ${path}/ballast-*`]);
    expect((await world.run(['resume', ...state])).code).toBe(0);
    expect(await world.missing()).toEqual([]);
  });
});

/** A disk of 24 MB: a run asks for 16. */
function mountDisk(): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', path], { stdio: 'ignore' });
}

function unmountDisk(): void {
  execFileSync('umount', ['-l', path]);
}

/** Whether this user may; nothing stays mounted where the tests below are left out. */
function canMount(): boolean {
  try {
    mountDisk();
    unmountDisk();
    return true;
  } catch (error) {
    const { status, code } = error as { status?: unknown; code?: unknown };
    if (typeof status === 'number' || code === 'ENOENT') return false;
    throw error;
  }
}
