import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { otherNode } from '../../scripts/services/other-node.ts';
import type { RedisServer } from '../../scripts/services/redis.ts';
import { freshRedis } from '../support/redis-server.ts';

const project = join(import.meta.dirname, '../..');
/** The newest of each line that is still kept; 20 is the oldest that the package promises to run on. */
const NODES = ['20.20.2', '22.23.3', '24.21.0'];
const binaries = await Promise.all(NODES.map(async (version) => [version, await found(version)] as const));

let folder: string;
let server: RedisServer;
let redis: Redis;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tenant-migrate-package-'));
  server = await freshRedis();
  redis = new Redis({ port: server.port, protocol: 2 });
  // It is built already: another build would change files that other tests run.
  await command('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], project);
  const [archive] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
  await writeFile(join(folder, 'package.json'), '{ "private": true }');
  const quick = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', '--silent'];
  await command('npm', ['install', ...quick, `./${archive}`], folder);
}, 180_000);

afterAll(async () => {
  redis.disconnect();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

test.each(binaries)('the packed package, installed elsewhere, moves a tenant on Node %s', async (version, node) => {
  if (node === undefined) {
    // Where the servers are demanded, so is every version.
    expect(process.env.REQUIRE_SERVICES ?? '', `Node ${version} could not be fetched`).toBe('');
    return;
  }
  await redis.flushall();
  for (let n = 0; n < 50; n += 1) await redis.set(`acme_text_chunks:${n}`, `${n}`, 'EX', 900);
  const main = join(folder, 'node_modules/tenant-migrate/dist/main.js');
  const move = ['acme', 'tenant_7', '--only', 'redis', '--redis-port', `${server.port}`, '--json'];
  const run = await command(node, [main, ...move], mkdtempSync(join(folder, 'run-')));
  expect(JSON.parse(run.stdout)).toMatchObject({ outcome: 'done', exitCode: 0 });
  expect(await redis.keys('*')).toHaveLength(50);
  expect(await redis.get('tenant_7_text_chunks:7')).toBe('7');
  expect(run.stderr).not.toMatch(/Warning/);
});

test('the package holds what it names, and nothing of the tests', async () => {
  const root = join(folder, 'node_modules/tenant-migrate');
  const names = await readdir(root, { recursive: true });
  expect(names.filter((name) => /(^|\/)(test|scripts|node_modules)(\/|$)/.test(name))).toEqual([]);
  const { bin, main, types, man = [], version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  for (const path of [bin['tenant-migrate'], main, types, ...[man].flat()])
    expect(names).toContain(path.replace(/^\.\//, ''));
  const shim = join(folder, 'node_modules/.bin/tenant-migrate');
  expect((await command(shim, ['--version'], folder)).stdout.trim()).toBe(version);
});

async function found(version: string): Promise<string | undefined> {
  if (process.versions.node === version) return process.execPath;
  return otherNode(version).catch(() => undefined);
}

function command(program: string, args: readonly string[], cwd: string): Promise<{ stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const { PATH = '', HOME = '' } = process.env;
    const child = spawn(program, args, { cwd, env: { PATH, HOME }, stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve({ stdout, stderr });
      else reject(new Error(`${program} ${args.join(' ')} ended with ${code}: ${stderr || stdout}`));
    });
  });
}
