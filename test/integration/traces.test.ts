import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RedisRun, startRedisRun } from '../support/redis-run.ts';

const ROOT = join(import.meta.dirname, '../..');
const PRELOAD = pathToFileURL(join(ROOT, 'test/fixtures/otel-preload.mjs')).href;
const TRACE = '0af7651916cd43dd8448eb211c80319c';

interface Traced {
  readonly name: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly status: { readonly code: number; readonly message?: string };
  readonly events: readonly { readonly name: string }[];
  readonly spanId: string;
  readonly traceId: string;
  readonly parent?: string;
}

let world: RedisRun;
beforeAll(async () => {
  world = await startRedisRun();
});
afterAll(() => world.stop());

/** Not synchronously: the store's proxy answers from this process. */
function traced(main: string, words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const file = join(world.cwd, `spans-${Math.random()}.json`);
  const options = { cwd: world.cwd, env: { PATH: process.env.PATH ?? '', SPANS_FILE: file, ...env }, timeout: 20_000 };
  return new Promise<{ code: number; stderr: string; spans: readonly Traced[] }>((resolve, reject) => {
    const child = execFile(
      process.execPath,
      ['--import', PRELOAD, main, ...words],
      options,
      (_error, _stdout, stderr) => {
        if (child.exitCode === null || !existsSync(file)) return reject(new Error(`${child.exitCode} ${stderr}`));
        resolve({ code: child.exitCode, stderr, spans: JSON.parse(readFileSync(file, 'utf8')) as Traced[] });
      },
    );
  });
}

it('with a preloaded SDK a run is a tree of spans under the caller’s, also from a bundle with an API of its own', async () => {
  const traceparent = { TRACEPARENT: `00-${TRACE}-b7ad6b7169203331-01` };
  const { code, stderr, spans } = await traced(
    join(ROOT, 'dist/main.js'),
    ['acme', 'tenant_7', ...world.flags],
    traceparent,
  );
  expect(code, stderr).toBe(0);
  const named = (name: string) => spans.find((span) => span.name === name);
  const [whole, run, phase, stage] = ['tenant-migrate move', 'run move', 'apply', 'apply redis'].map(named);
  expect(whole?.parent).toBe('b7ad6b7169203331');
  expect([run?.parent, phase?.parent, stage?.parent]).toEqual([whole?.spanId, run?.spanId, phase?.spanId]);
  expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]));
  expect(spans.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['preflight', 'plan', 'verify', 'finalize redis']),
  );
  expect(run?.attributes).toMatchObject({ 'tenant_migrate.source': 'acme', 'tenant_migrate.outcome': 'done' });
  expect(stage?.attributes).toMatchObject({ 'tenant_migrate.status': 'done', 'tenant_migrate.moved': 200 });
  expect([whole?.status.code, stage?.status.code]).toEqual([1, 1]);

  // What fails is an error in the trace, with its text. Beside the bundle stands what such a file reads of its package.
  const folder = join(world.cwd, 'bundle', 'dist');
  mkdirSync(folder, { recursive: true });
  symlinkSync(join(ROOT, 'package.json'), join(world.cwd, 'package.json'));
  const main = join(folder, 'main.mjs');
  await build({
    entryPoints: [join(ROOT, 'dist/main.js')],
    outfile: main,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    banner: {
      js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);",
    },
    logLevel: 'error',
  });
  const failed = await traced(main, ['nobody', 'tenant_9', ...world.flags]);
  expect(failed.code, failed.stderr).toBe(5);
  const [last] = failed.spans.filter(({ name }) => name === 'tenant-migrate move');
  expect(last).toMatchObject({ status: { code: 2 }, attributes: { 'tenant_migrate.exit_code': 5 } });
});
