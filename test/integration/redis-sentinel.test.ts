import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCli } from '../support/cli.ts';
import { runCliHere } from '../support/cli-in-process.ts';
import { until } from '../support/redis-run.ts';
import { type RedisWithSentinel, startWithSentinel } from '../support/redis-sentinel.ts';
import { renamed, type Snapshot, snapshot } from '../support/redis-world.ts';

const KEYS = 1_000;

let servers: RedisWithSentinel;
let stateDir: string;
let before: Snapshot;

beforeEach(async () => {
  servers = await startWithSentinel();
  stateDir = mkdtempSync(join(tmpdir(), 'tenant-migrate-sentinel-'));
  const pipeline = servers.first.pipeline();
  for (let n = 0; n < KEYS; n += 1) {
    pipeline.set(`acme_text_chunks:${n}`, `${n}`, 'EX', 86_400 + n).rpush(`acme_eu_text_chunks:${n}`, 'a', `${n}`);
  }
  // So many that the tenant's keys come in several pages of the listing.
  for (let n = 0; n < 5 * KEYS; n += 1) pipeline.set(`other:${n}`, '');
  await pipeline.exec();
  await servers.first.wait(1, 2_000);
  before = await snapshot(servers.first);
});

afterEach(() => servers.stop());

const names = new Map(Array.from({ length: KEYS }, (_, n) => [`acme_text_chunks:${n}`, `tenant_7_text_chunks:${n}`]));
const keysOf = async (redis: Redis, tenant: string) => (await redis.keys(`${tenant}_text_chunks:*`)).length;
const cli = (...words: string[]) => runCliHere([...words, '--state-dir', stateDir]);
/** At a rate at which the listing is still under way when the other server has taken over, on a busy machine too. */
const slowly = () => [
  ...['acme', 'tenant_7', ...servers.flags, '--batch-size', '2', '--concurrency', '1', '--state-dir', stateDir],
  ...['--rate', '250'],
];
/** All there is at the server that took over, but locks. */
const now = async () => withoutLocks(await snapshot(servers.second));

function withoutLocks(all: Snapshot): Snapshot {
  return Object.fromEntries(Object.entries(all).filter(([key]) => !key.startsWith('\\tenant-migrate\\lock')));
}

describe('a master that fails in the middle of a move, with renames that its replica never received', () => {
  test('does not end the run: it goes on at the new one, and moves again what came back', async () => {
    let said = '';
    const ended = runCli([...slowly(), '--json', '--verbose'], {
      onStderr: (text) => {
        said = text;
      },
    });
    await until(async () => (await keysOf(servers.first, 'tenant_7')) > 100);
    servers.link.hang(true);
    const received = await keysOf(servers.second, 'tenant_7');
    await until(async () => (await keysOf(servers.first, 'tenant_7')) > received + 100);
    expect(await keysOf(servers.first, 'acme')).toBeGreaterThan(50);
    await servers.failOver();
    const run = await ended;
    expect(run, said).toMatchObject({ code: 0 });
    expect(said).toContain('its keys are listed from the start');
    expect(await now()).toEqual(renamed(before, names));
    expect(run.json().findings).toContainEqual(expect.objectContaining({ kind: 'failover', severity: 'notice' }));
    expect(await cli('rollback', String(run.json().runId))).toMatchObject({ code: 0 });
    expect(await now()).toEqual(before);
  });

  test('and a process that is killed with it are followed by a resume that finishes the move', async () => {
    let kill: (signal: NodeJS.Signals) => void = () => undefined;
    const onStart = async (send: typeof kill) => {
      kill = send;
    };
    const ended = runCli(slowly(), { onStart });
    await until(async () => (await keysOf(servers.first, 'tenant_7')) > 100);
    servers.link.hang(true);
    await sleep(100);
    kill('SIGKILL');
    await Promise.all([ended, servers.failOver()]);
    const resumed = await cli('resume');
    expect(resumed, resumed.stderr).toMatchObject({ code: 0 });
    expect(await now()).toEqual(renamed(before, names));
  });
});

test('sentinels that do not lead to the master are named with what to do, and a map leads around an address', async () => {
  const plan = (...flags: string[]) => cli('plan', 'acme', 'tenant_7', ...servers.flags, ...flags);
  const unknown = await plan('--redis-sentinel-name', 'other');
  expect(unknown).toMatchObject({
    code: 5,
    stdout: expect.stringMatching(/no master 'other'[\s\S]*--redis-sentinel-name/),
  });
  const nobody = await cli('plan', 'acme', 'tenant_7', '--only', 'redis', '--redis-sentinel', '127.0.0.1:1');
  expect(nobody).toMatchObject({ code: 5, stdout: expect.stringMatching(/127\.0\.0\.1:1[\s\S]*--redis-sentinel/) });
  await servers.asked.call('SENTINEL', 'MONITOR', 'ghost', '127.0.0.1', '9', '1');
  const ghost = await plan('--redis-sentinel-name', 'ghost');
  expect(ghost).toMatchObject({ code: 5, stdout: expect.stringContaining('--redis-node-map 127.0.0.1:9=<host:port>') });
  const mapped = ['--redis-node-map', `127.0.0.1:9=127.0.0.1:${servers.master.port}`];
  expect(await plan('--redis-sentinel-name', 'ghost', ...mapped)).toMatchObject({ code: 0 });
  const replica = [`127.0.0.1:9=127.0.0.1:${servers.replica.port}`];
  const wrong = await plan('--redis-sentinel-name', 'ghost', '--redis-node-map', ...replica);
  expect(wrong).toMatchObject({ code: 5, stdout: expect.stringMatching(/is a slave/) });
});

test('replicas that have not received what was moved are told of', async () => {
  servers.link.hang(true);
  const run = await cli('acme', 'tenant_7', ...servers.flags, '--json');
  expect(run, run.stderr).toMatchObject({ code: 0 });
  expect(run.json().findings).toContainEqual(expect.objectContaining({ kind: 'not-replicated', count: 1 }));
});
