import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { RedisServer } from '../../scripts/services/redis.ts';
import { runCli } from '../support/cli.ts';
import { runCliHere } from '../support/cli-in-process.ts';
import { runIds, until } from '../support/redis-run.ts';
import { freshRedis } from '../support/redis-server.ts';
import { type Snapshot, snapshot } from '../support/redis-world.ts';

const KEYS = 120;

let server: RedisServer;
let databases: readonly Redis[];
let stateDir: string;

beforeAll(async () => {
  server = await freshRedis();
  databases = [0, 1, 2].map((db) => new Redis({ port: server.port, db, protocol: 2 }));
});

afterAll(async () => {
  for (const redis of databases) redis.disconnect();
  await server.stop();
});

beforeEach(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'tenant-migrate-databases-'));
  await databases[0]?.flushall();
  for (const [db, redis] of databases.entries()) {
    for (const tenant of ['acme', 'acme_eu']) {
      const pipeline = redis.pipeline();
      for (let n = 0; n < KEYS; n += 1) pipeline.set(`${tenant}_text_chunks:${n}`, `${db} ${n}`, 'EX', 86_400 + n);
      await pipeline.exec();
    }
  }
});

const both = () => ['--only', 'redis', '--redis-port', `${server.port}`, '--redis-db', '1,0'];
const cli = (...words: string[]) => runCliHere([...words, '--state-dir', stateDir]);
const all = () => Promise.all(databases.map((database) => snapshot(database)));

function moved(before: Snapshot): Snapshot {
  const after = Object.entries(before).map(
    ([key, value]) => [key.replace(/^acme_text/, 'tenant_7_text'), value] as const,
  );
  return Object.fromEntries(after.sort(([a], [b]) => (a < b ? -1 : 1)));
}

test('one run moves the tenant in each database that is named, tells what each holds, and takes each back', async () => {
  const before = await all();
  const run = await cli('acme', 'tenant_7', ...both(), '--verify', 'full', '--json');
  expect(run, run.stderr).toMatchObject({ code: 0 });
  expect(JSON.stringify(run.json())).toContain(`database 1 holds ${KEYS} keys of acme, 0 of tenant_7`);
  expect(run.json().stages).toContainEqual(expect.objectContaining({ name: 'redis', moved: 2 * KEYS }));
  const [one, other, untouched] = before;
  expect(await all()).toEqual([moved(one ?? {}), moved(other ?? {}), untouched]);
  const verified = await cli('verify', 'acme', 'tenant_7', ...both());
  expect(verified, verified.stdout).toMatchObject({ code: 0 });
  await databases[1]?.rename('tenant_7_text_chunks:5', 'acme_text_chunks:5');
  const differs = await cli('verify', 'acme', 'tenant_7', ...both());
  expect(differs).toMatchObject({ code: 2, stdout: expect.stringMatching(/database 1: 1 keys still stand/) });
  await databases[1]?.rename('acme_text_chunks:5', 'tenant_7_text_chunks:5');
  expect(await cli('rollback', runIds(stateDir)[0] ?? '')).toMatchObject({ code: 0 });
  expect(await all()).toEqual(before);
});

test('a backup holds each database, and brings each back; another list of databases is refused', async () => {
  const before = await all();
  expect(await cli('backup', 'create', 'acme', ...both())).toMatchObject({ code: 0 });
  const made = await cli('backup', 'list', '--json');
  const [{ id }] = made.json().backups as [{ id: string }];
  for (const redis of databases.slice(0, 2)) await redis.del('acme_text_chunks:1', 'acme_text_chunks:2');
  const one = await cli('backup', 'restore', id, '--only', 'redis', '--redis-port', `${server.port}`);
  expect(one.code).not.toBe(0);
  expect(one.stderr + one.stdout).toMatch(/several databases[\s\S]*--redis-db/);
  const restored = await cli('backup', 'restore', id, ...both());
  expect(restored, restored.stderr).toMatchObject({ code: 0 });
  expect(await all()).toEqual(before);
});

test('a run that is killed in its middle is resumed to the whole move, and another run of one of them waits', async () => {
  const before = await all();
  const words = ['acme', 'tenant_7', ...both(), '--batch-size', '2', '--pause-file', join(stateDir, 'pause')];
  let kill: (signal: NodeJS.Signals) => void = () => undefined;
  const ended = runCli([...words, '--state-dir', stateDir], {
    onStart: async (send) => {
      kill = send;
    },
  });
  await until(async () => ((await databases[0]?.keys('tenant_7_*')) ?? []).length > 0);
  kill('SIGKILL');
  await ended;
  const other = await cli('acme', 'tenant_8', '--only', 'redis', '--redis-port', `${server.port}`, '--redis-db', '1');
  expect(other).toMatchObject({ code: 5 });
  const resumed = await cli('resume');
  expect(resumed, resumed.stderr).toMatchObject({ code: 0 });
  const [one, two, untouched] = before;
  expect(await all()).toEqual([moved(one ?? {}), moved(two ?? {}), untouched]);
});

test('a database that the server does not have is refused', async () => {
  const far = await cli('acme', 'tenant_7', '--only', 'redis', '--redis-port', `${server.port}`, '--redis-db', '0,99');
  expect(far).toMatchObject({ code: 5, stdout: expect.stringContaining('--redis-db') });
});
