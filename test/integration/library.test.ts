import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { apply, MigrateError, move, plan, type RunEvent, resume, rollback, verify } from '../../src/index.ts';
import { EventQueue } from '../../src/library/event-queue.ts';
import { rawGraph } from '../support/graph.ts';
import { seedTenant } from '../support/redis-tenants.ts';
import { RedisWorld, renamed, type Snapshot } from '../support/redis-world.ts';
import { freshId, startStores } from '../support/stores.ts';

const ROOT = join(import.meta.dirname, '../..');
const runFile = promisify(execFile);

let world: RedisWorld;
let names: ReadonlyMap<string, string>;
let start: Snapshot;
let folder: string;
const [source, target] = ['siraya', 'tenant_76920508'];
const printed = [vi.spyOn(process.stdout, 'write'), vi.spyOn(process.stderr, 'write')];
const handlers = () => ['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => process.listenerCount(signal));
const before = handlers();

beforeAll(async () => {
  world = await RedisWorld.start();
});
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tenant-migrate-library-'));
  await world.raw.flushall();
  names = await seedTenant(world.raw, source, target);
  start = await world.snapshot();
  for (const spy of printed) spy.mockClear();
});
afterEach(() => {
  expect(printed.flatMap((spy) => spy.mock.calls)).toEqual([]);
  expect([process.exitCode, handlers()]).toEqual([undefined, before]);
});
afterAll(() => world.stop());

const at = () => ({
  redisUrl: `redis://127.0.0.1:${world.server.port}`,
  only: ['redis'] as const,
  stateDir: join(folder, 'state'),
});

test('plan, apply, verify and rollback of a program do what the commands do, and tell it as events', async () => {
  const planning = plan({ ...at(), source, target });
  const planned = await planning.plan;
  expect(await planning.report).toMatchObject({ command: 'plan', outcome: 'planned', exitCode: 0 });
  expect(await world.snapshot()).toEqual(start);
  if (planned === undefined) throw new Error('no plan');

  const events: RunEvent[] = [];
  const run = apply({ ...at(), plan: planned });
  for await (const event of run) events.push(event);
  const report = await run.report;
  expect(report).toMatchObject({ outcome: 'done', exitCode: 0 });
  expect(events.map(({ type }) => type)).toEqual(expect.arrayContaining(['run-started', 'planned', 'progress']));
  expect(events.at(-1)).toEqual({ type: 'run-finished', report, unfinished: false });
  expect(await world.snapshot()).toEqual(renamed(start, names));

  expect(await verify({ ...at(), source, target }).report).toMatchObject({ outcome: 'verified', exitCode: 0 });
  expect(await rollback({ stateDir: at().stateDir, run: report.runId }).report).toMatchObject({ exitCode: 0 });
  expect(await world.snapshot()).toEqual(start);
  const edited = apply({ ...at(), plan: { ...planned, toolVersion: '9.9.9' } });
  await expect(edited.report).rejects.toMatchObject({ code: 'stale-plan' });
});

test('nobody has to take the events, and who leaves early does not stop the run', async () => {
  const left = move({ ...at(), source, target });
  for await (const event of left) {
    expect(event.type).toBe('run-started');
    break;
  }
  const first = await left.report;
  expect(first.outcome).toBe('done');
  expect(await rollback({ ...at(), run: first.runId }).report).toMatchObject({ exitCode: 0 });
  expect(await move({ ...at(), source, target }).report).toMatchObject({ outcome: 'done' });
  expect(await world.snapshot()).toEqual(renamed(start, names));
});

test('who is asked can refuse, and a signal stops a run that is resumed later', async () => {
  let asked = 0;
  const confirm = () => {
    asked += 1;
    return false;
  };
  expect(await move({ ...at(), source, target, confirm }).report).toMatchObject({ outcome: 'refused', exitCode: 5 });
  const controller = new AbortController();
  const stopped = move({ ...at(), source, target, batchSize: 1, signal: controller.signal });
  for await (const event of stopped) if (event.type === 'progress' && event.done > 0) controller.abort();
  expect(await stopped.report).toMatchObject({ outcome: 'stopped', exitCode: 130 });
  expect(asked).toBe(1);
  expect(await world.snapshot()).not.toEqual(start);
  expect(await resume({ stateDir: at().stateDir }).report).toMatchObject({ outcome: 'done' });
  expect(await world.snapshot()).toEqual(renamed(start, names));
  const aborted = move({ ...at(), source, target, signal: AbortSignal.abort() });
  expect(await aborted.report).toMatchObject({ outcome: 'stopped' });
});

test('options that do not fit reject with a code, and throw into the loop as well', async () => {
  const bad = { ...at(), source, target };
  const code = (options: object) =>
    move({ ...bad, ...options }).report.then(
      () => 'none',
      (error: unknown) =>
        error instanceof MigrateError ? `${error.code}: ${error.message}; ${error.next}` : String(error),
    );
  expect(await code({ redisPort: 0 })).toMatch(/^usage: --redis-port must be between/);
  expect(await code({ redisUlr: 'x' })).toBe("usage: there is no option 'redisUlr'; did you mean redisUrl?");
  expect(await code({ secrets: { redisPasword: 'x' } })).toMatch(
    /^usage: there is no secret 'redisPasword'; .*redisPassword/,
  );
  expect(await code({ flags: { 'no-such': 1 } })).toMatch(/^usage: there is no option 'no-such'/);
  expect(await code({ target: source })).toMatch(/^usage: source and target are the same/);
  expect(await code({ skip: ['redis'] })).toMatch(/^usage: .*leave no stage/);
  await expect(rollback({ ...at(), run: 'none' }).report).rejects.toMatchObject({ code: 'usage' });
  const thrown = async () => {
    for await (const event of move({ ...bad, redisPort: 0 })) expect(event).toBeUndefined();
  };
  await expect(thrown()).rejects.toMatchObject({ code: 'usage' });
});

test('logins come from the options, from the environment only where it is handed over, and stand nowhere', async () => {
  const password = 'library-secret-19ce';
  await world.raw.acl('SETUSER', 'reader', 'on', `>${password}`, '~*', '+@all');
  await world.raw.acl('SETUSER', 'default', 'resetpass', 'off');
  const host = `127.0.0.1:${world.server.port}`;
  vi.stubEnv('REDIS_USERNAME', 'reader').stubEnv('REDIS_PASSWORD', password);
  try {
    const asked = { ...at(), source, target };
    const told = async (options: object) => {
      const run = plan({ ...asked, ...options });
      const events: RunEvent[] = [];
      for await (const event of run) events.push(event);
      const report = await run.report;
      expect(JSON.stringify([report, events])).not.toContain(password);
      return report.exitCode;
    };
    expect(await told({})).toBe(5);
    expect(await told({ env: process.env })).toBe(0);
    expect(await told({ secrets: { redisUsername: 'reader', redisPassword: password } })).toBe(0);
    expect(await told({ redisUrl: `redis://reader:${password}@${host}` })).toBe(0);
    const run = move({ ...asked, redisUrl: `redis://reader:${password}@${host}` });
    expect((await run.report).outcome).toBe('done');
    const { stdout } = await runFile('grep', ['-rl', password, folder]).catch(() => ({ stdout: '' }));
    expect(stdout).toBe('');
  } finally {
    vi.unstubAllEnvs();
    await world.raw.acl('SETUSER', 'default', 'on', 'nopass');
  }
});

test('what nobody takes stays bounded: the newest progress, and the first thousand of what can be many', async () => {
  const queue = new EventQueue();
  for (let done = 1; done <= 5_000; done += 1) {
    queue.push({ type: 'progress', stage: 'redis', done, total: 5_000 });
    queue.push({ type: 'progress', stage: 'qdrant', done, total: 5_000 });
  }
  const checkpoint = { batch: 1, moved: 1 };
  for (let done = 1; done <= 5_000; done += 1) {
    queue.push({ type: 'batch', stage: 'redis', phase: 'apply', checkpoint });
    queue.push({ type: 'progress', stage: 'redis', done, total: 5_000 });
  }
  for (let at = 0; at < 5_000; at += 1) queue.push({ type: 'note', stage: 'redis', text: `${at}` });
  queue.push({ type: 'stopping', signal: 'x' });
  queue.end();
  const taken: RunEvent[] = [];
  for await (const event of queue.take()) taken.push(event);
  expect(taken.slice(0, 2)).toEqual([
    { type: 'progress', stage: 'redis', done: 5_000, total: 5_000 },
    { type: 'progress', stage: 'qdrant', done: 5_000, total: 5_000 },
  ]);
  const count = (type: RunEvent['type']) => taken.filter((event) => event.type === type).length;
  expect([count('batch'), count('progress'), count('note')]).toEqual([1_000, 1_002, 1_000]);
  expect(taken.filter(({ type }) => type === 'progress').at(-1)).toMatchObject({ done: 5_000 });
  expect(taken.at(-1)).toEqual({ type: 'stopping', signal: 'x' });
});

test('the example of the guide runs from the built package, in every store', async () => {
  const example = exampleOfTheGuide();
  const stores = await startStores();
  const [from, to] = [freshId('library'), freshId('moved')];
  // In the package's own folder its name means the package itself.
  mkdirSync(join(ROOT, 'test-results'), { recursive: true });
  const file = join(ROOT, 'test-results', `library-example-${process.pid}.mts`);
  try {
    await stores.seedSmall(from);
    const { redisUrl, qdrantUrl, graphUrl, apiUrl } = stores.urls;
    const places = [
      ['redis://127.0.0.1:6379', redisUrl],
      ['http://127.0.0.1:6333', qdrantUrl],
      ['bolt://127.0.0.1:7687', graphUrl],
      ['http://127.0.0.1:8000', apiUrl],
      ["'siraya'", `'${from}'`],
      ["'tenant_76920508'", `'${to}'`],
    ] as const;
    for (const [written] of places) expect(example).toContain(written);
    writeFileSync(
      file,
      places.reduce((text, [written, here]) => text.replace(written, here), example),
    );
    const { stdout, stderr } = await runFile(process.execPath, [join(ROOT, 'node_modules/tsx/dist/cli.mjs'), file], {
      cwd: folder,
    });
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^redis \d+ of 120$/m);
    expect(stdout).toMatch(/^done config 0, redis 120, qdrant 52, graph 30\nverified: true\nrolled-back\n$/m);
  } finally {
    rmSync(file, { force: true });
    const graph = rawGraph({ url: stores.urls.graphUrl });
    await graph.clear([from, to]);
    await Promise.all([graph.close(), stores.stop()]);
  }
}, 120_000);

test('its types hold for a strict program that checks its libraries too', async () => {
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, '@types'), { recursive: true });
  symlinkSync(ROOT, join(modules, 'tenant-migrate'));
  symlinkSync(join(ROOT, 'node_modules/@types/node'), join(modules, '@types/node'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'program.ts'), CONSUMER);
  writeFileSync(join(folder, 'example.ts'), exampleOfTheGuide());
  const options = ['--strict', '--exactOptionalPropertyTypes', '--module', 'nodenext', '--target', 'es2022'];
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const words = [tsc, ...options, '--types', 'node', '--skipLibCheck', 'false', '--noEmit', 'program.ts', 'example.ts'];
  const { stdout } = await runFile(process.execPath, words, { cwd: folder }).catch(
    (error: { stdout: string }) => error,
  );
  expect(stdout).toBe('');
});

function exampleOfTheGuide(): string {
  const [, example = ''] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, 'docs/library.md'), 'utf8')) ?? [];
  return example;
}

const CONSUMER = `
import { apply, MigrateError, move, plan, tenantIdProblem } from 'tenant-migrate';
import type { Run, RunEvent, RunPlan, RunReport, StageRow } from 'tenant-migrate';

const run: Run = move({ source: 'a', target: 'b', only: ['redis'], onConflict: 'skip', secrets: { redisPassword: 'x' } });
for await (const event of run) {
  const seen: RunEvent = event;
  if (seen.type === 'progress') seen.done.toFixed();
}
const report: RunReport = await run.report;
const rows: readonly StageRow[] = report.stages;
const planned: RunPlan | undefined = await plan({ source: 'a', target: 'b' }).plan;
if (planned !== undefined) await apply({ plan: planned, confirm: (made) => made.moves.length === 1 }).report;
// @ts-expect-error there is no such stage
move({ source: 'a', target: 'b', only: ['nothing'] });
// @ts-expect-error the target is missing
move({ source: 'a' });
// @ts-expect-error a plan decides the conflicts
apply({ plan: 'plan.json', onConflict: 'skip' });
export const problem: string | undefined = tenantIdProblem('x') ?? new MigrateError('usage', 'no').next;
export const done: boolean = rows.length > 0;
`;

test('what is refused leaves nothing behind that goes on: no port that still listens', async () => {
  const port = await new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
  const flags = { 'metrics-port': port, 'config-secrets': join(folder, 'gone.json') };
  await expect(move({ ...at(), source, target, flags }).report).rejects.toMatchObject({ code: 'usage' });
  await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow('fetch failed');
});
