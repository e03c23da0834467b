import { chmodSync, existsSync, mkdirSync, mkdtempSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stopReason } from '../../src/model/errors.ts';
import type { Check, DoctorReport } from '../../src/report/doctor-report.ts';
import { runCliHere } from '../support/cli-in-process.ts';
import { type RawGraph, rawGraph } from '../support/graph.ts';
import { startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import { freshId, type Stores, secretsOf, startStores } from '../support/stores.ts';
import { readWorld } from '../support/world.ts';

const [PASSWORD, KEY, TOKEN] = ['redis-secret-91c2', 'qdrant-secret-77ab', 'token-secret-5d3e'];
const SECRETS = { REDIS_PASSWORD: PASSWORD, QDRANT_API_KEY: KEY, API_TOKEN: TOKEN };

let stores: Stores;
let redis: Redis;
let graph: RawGraph;
let silent: Server;
const sockets = new Set<Socket>();
const [source, target] = [freshId('doctored'), freshId('healed')];

beforeAll(async () => {
  stores = await startStores({ redis: ['--maxmemory', '64mb', '--maxmemory-policy', 'noeviction'] });
  await stores.seedSmall(source);
  redis = new Redis(stores.urls.redisUrl, { protocol: 2 });
  graph = rawGraph({ url: stores.urls.graphUrl });
  silent = createServer((socket) => void sockets.add(socket));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  redis.disconnect();
  for (const socket of sockets) socket.destroy();
  silent.close();
  await graph.clear([source, target]);
  await graph.close();
  await stores.stop();
});

const newFolder = () => join(mkdtempSync(join(tmpdir(), 'tenant-migrate-doctor-')), 'state');

async function doctor(words: readonly string[], env: Readonly<Record<string, string>> = {}, stateDir = newFolder()) {
  const result = await runCliHere(['doctor', ...words, '--state-dir', stateDir, '--json'], env);
  const report = result.json() as unknown as DoctorReport;
  const of = (area: string, level?: string) =>
    report.checks.filter((check) => check.area === area && (level === undefined || check.level === level));
  const names = (area: string, level: string) => of(area, level).map(({ name }) => name);
  return { ...result, report, of, names };
}

const unwell = ({ report }: { readonly report: DoctorReport }) =>
  report.checks.filter(({ level }) => level === 'error' || level === 'warning');

test('of sound stores it says so, names what it did not try, and writes nothing anywhere', async () => {
  const { redisUrl, qdrantUrl, apiUrl } = stores.urls;
  // The graph is shared: what is ours in it is read alone.
  const world = async () => ({
    stores: [...(await readWorld({ redisUrl, qdrantUrl, apiUrl, tenants: [source, target] }))],
    nodes: [await graph.count(source), await graph.count(target)],
  });
  const before = await world();
  stores.qdrant.clearRequests();
  stores.api.clearRequests();
  const stateDir = newFolder();
  const found = await doctor([source, target, ...stores.flags], {}, stateDir);
  expect(
    unwell(found).filter(
      ({ name }) => !['ENCRYPTION_KEY', 'persistence', 'secrets', 'indexes', 'latency'].includes(name),
    ),
  ).toEqual([]);
  expect(found).toMatchObject({ code: 0, report: { schema: 'tenant-migrate/doctor@1', exitCode: 0 } });
  for (const area of ['config', 'redis', 'qdrant', 'graph']) {
    expect(found.names(area, 'ok')).toContain('preflight');
    expect(found.of(area).some(({ name }) => name === 'latency')).toBe(true);
  }
  expect(found.names('redis', 'unchecked')).toEqual(['DUMP/RESTORE']);
  expect(found.of('config', 'warning')).toMatchObject([{ name: 'secrets', text: expect.stringMatching(/masked/) }]);
  for (const check of found.report.checks) if (check.level !== 'ok') expect(check.fix).toMatch(/\w/);
  expect([...stores.qdrant.requests, ...stores.api.requests].filter(({ write }) => write)).toEqual([]);
  expect(await world()).toEqual(before);
  expect(existsSync(stateDir)).toBe(false);
  // With leave to write it leaves nothing behind either.
  const tried = await doctor([source, target, ...stores.flags, '--probe-writes']);
  expect(tried.names('redis', 'ok')).toContain('DUMP/RESTORE');
  expect(tried.of('graph', 'ok').at(-1)?.text).toMatch(/writing included/);
  expect(await world()).toEqual(before);
});

test('stores that are away, silent or refuse us cost their own lines, in a bounded time, and no secret is shown', async () => {
  const port = String((silent.address() as { port: number }).port);
  const flags = ['--redis-port', port, '--qdrant-url', 'http://127.0.0.1:1', '--api-url', `http://127.0.0.1:${port}`];
  const patience = ['--connect-timeout', '0.4', '--request-timeout', '0.4'];
  const started = performance.now();
  const found = await doctor([...flags, ...patience, '--graph-url', stores.urls.graphUrl], SECRETS);
  expect(performance.now() - started).toBeLessThan(15_000);
  expect(found.code).toBe(5);
  for (const area of ['redis', 'qdrant', 'config']) expect(found.names(area, 'error')).toEqual(['reach']);
  expect(found.of('graph', 'error')).toEqual([]);
  expect(found.names('graph', 'ok')).toContain('version');

  const text = await runCliHere(['doctor', ...stores.flags, '--skip-graph', '--state-dir', newFolder()], {
    ...SECRETS,
    REDIS_USERNAME: 'nobody',
  });
  expect(text.code).toBe(5);
  expect(text.stdout).toMatch(/❌ access .*\n +→ .*REDIS_PASSWORD/);
  for (const secret of Object.values(SECRETS)) {
    expect(found.stdout + found.stderr + text.stdout + text.stderr).not.toContain(secret);
  }
});

test('a user of Redis who lacks a command is told which, and one who may not ask what is left open', async () => {
  const all = ['on', `>${PASSWORD}`, '~*', '+@all'];
  const as = async (...rules: string[]) => {
    await redis.acl('SETUSER', 'patient', 'reset', ...all, ...rules);
    const env = { REDIS_USERNAME: 'patient', REDIS_PASSWORD: PASSWORD };
    return doctor(['--only', 'redis', ...stores.flags], env);
  };
  const lacking = await as('-renamenx', '-hgetall', '-client|list');
  expect(lacking.code).toBe(5);
  expect(lacking.of('redis', 'error').find(({ name }) => name === 'commands')?.text).toMatch(/hgetall, renamenx/);
  expect(lacking.of('redis', 'warning')).toMatchObject([
    { name: 'persistence' },
    { name: 'commands', text: expect.stringMatching(/client list/) },
  ]);
  const blind = await as('-acl', '-hgetall', '-renamenx');
  expect(blind.of('redis', 'error').map(({ text }) => text)).toEqual([expect.stringMatching(/may not run hgetall$/)]);
  expect(blind.of('redis', 'unchecked').map(({ name }) => name)).toContain('commands');
  expect((await doctor(['--only', 'redis', ...stores.flags, '--probe-writes'])).code).toBe(0);
  // Rights that are given by key: with a made-up id nothing is known, with the ids that are meant all is.
  const own = ['resetkeys', `~${source}_*`, `~${source}:*`, '~\\\\tenant-migrate*'];
  expect(await as(...own)).toMatchObject({ code: 0 });
  expect((await as(...own)).names('redis', 'unchecked')).toContain('rights');
  const env = { REDIS_USERNAME: 'patient', REDIS_PASSWORD: PASSWORD };
  const meant = await doctor([source, target, '--only', 'redis', ...stores.flags], env);
  expect(meant.of('redis', 'error')[0]).toMatchObject({ name: 'preflight', text: expect.stringMatching(/rename/) });
});

test('what answers and is something else is told as that', async () => {
  const { apiUrl } = stores.urls;
  const wrong = [
    '--api-path',
    '/nope/{tenant}',
    '--api-url',
    apiUrl,
    '--qdrant-url',
    apiUrl,
    '--only',
    'config,qdrant',
  ];
  const found = await doctor(wrong);
  expect(found.code).toBe(5);
  expect([found.names('config', 'error'), found.names('qdrant', 'error')]).toEqual([['look'], ['look']]);
  expect(found.of('qdrant', 'error')[0]?.text).toMatch(/could not tell its version: HTTP 404/);
  expect(found.of('config', 'error')[0]?.fix).toMatch(/--api-url/);
  const strange = await startQdrantStandIn({ apiKey: 'another' });
  const locked = await doctor(['--qdrant-url', strange.url, '--only', 'qdrant'], { QDRANT_API_KEY: KEY });
  await strange.close();
  expect(locked.of('qdrant', 'error')).toMatchObject([
    { name: 'access', fix: expect.stringMatching(/QDRANT_API_KEY/) },
  ]);
  expect(locked.names('qdrant', 'ok')).toContain('version');
});

test('memory, collections and their names are told as they are', async () => {
  await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
  const strict_mode_config = {
    enabled: true,
    filter_max_conditions: 1,
    write_rate_limit: 600,
    unindexed_filtering_update: false,
  };
  const made = await fetch(`${stores.urls.qdrantUrl}/collections/strict`, {
    method: 'PUT',
    body: JSON.stringify({ vectors: { size: 1, distance: 'Dot' }, strict_mode_config }),
  });
  expect(made.status).toBe(200);
  const shown = { config: {}, payload_schema: {}, update_queue: { length: 3 } };
  const states = [
    ['lightrag_vdb_chunks', { ...shown, status: 'yellow', optimizer_status: 'ok' }],
    ['lightrag_vdb_entities', { ...shown, status: 'red', optimizer_status: { error: 'No space left\u001b[31m' } }],
  ] as const;
  for (const [name, result] of states) {
    const body = JSON.stringify({ result, status: 'ok', time: 0 });
    stores.qdrant.fail({ path: new RegExp(`/${name}$`), kind: 'status', status: 200, body, times: 2 });
  }
  const words = ['--only', 'redis,qdrant', ...stores.flags];
  const found = await doctor(words);
  expect(found.names('redis', 'warning')).toContain('memory');
  const of = (check: Check) => `${check.level} ${check.name}`;
  expect(
    unwell(found)
      .filter(({ area, name }) => area === 'qdrant' && name !== 'latency')
      .map(of),
  ).toEqual([
    'error status',
    'warning status',
    'error optimiser',
    'warning status',
    'warning tenant index',
    'error strict mode',
    'error strict mode',
    'warning rate limit',
  ]);
  const text = await runCliHere(['doctor', ...words, '--color', 'never', '--state-dir', newFolder()]);
  expect(text.stdout).toContain('No space left\\x1b[31m');
  expect(text.stdout).not.toContain('\u001b');
});

test('what earlier runs have left is told with the commands that end it', async () => {
  const stateDir = newFolder();
  mkdirSync(stateDir);
  stores.api.fail({ method: 'PUT', path: /config$/, kind: 'status', status: 500, times: 9 });
  const env = { TENANT_MIGRATE_CONFIG_SECRETS: secretsOf(source) };
  const broken = await runCliHere([source, target, '--only', 'config', ...stores.flags, '--state-dir', stateDir], env);
  expect(broken.code).toBe(4);
  chmodSync(stateDir, 0o755);
  const found = await doctor(['--only', 'config', ...stores.flags], {}, stateDir);
  expect(found.code).toBe(0);
  expect(found.names('state', 'warning')).toEqual(['folder', 'unfinished run']);
  const fix = found.of('state', 'warning').at(-1)?.fix ?? '';
  expect(fix).toMatch(/^tenant-migrate resume \S+ --state-dir \S+ +or: tenant-migrate rollback \S+ --state-dir/);
  const [, id = ''] = /rollback (\S+)/.exec(fix) ?? [];
  expect((await runCliHere(['rollback', id, '--state-dir', stateDir, '--settle', '0.1'], env)).code).toBe(0);
  expect((await doctor(['--only', 'config', ...stores.flags], {}, stateDir)).names('state', 'warning')).toEqual([
    'folder',
  ]);
});

test('half a move is refused as one, and a stop ends the look at once', async () => {
  expect(await runCliHere(['doctor', 'only-one'])).toMatchObject({ code: 64 });
  const port = String((silent.address() as { port: number }).port);
  const words = ['doctor', '--only', 'redis', '--redis-port', port, '--state-dir', newFolder()];
  const stop = new AbortController();
  const asked = new Promise<void>((resolve) => silent.once('connection', () => resolve()));
  const looking = runCliHere(words, {}, stop.signal);
  await asked;
  stop.abort(stopReason('SIGTERM'));
  expect(await looking).toMatchObject({ code: 143, stdout: '' });
});
