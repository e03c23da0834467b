import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CliResult, runCli } from '../support/cli.ts';
import { freshCluster } from '../support/redis-cluster.ts';
import { rawRedis, type Snapshot, snapshot } from '../support/redis-world.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

const KEYS = 150;
const LOCK = '\\tenant-migrate\\lock\\';

describe('the command on a cluster whose nodes are reached through a tunnel', () => {
  let stop: () => Promise<void>;
  let world: () => Promise<Snapshot>;
  let slow: (ms: number) => void;
  let count: (tenant: string) => Promise<number>;
  let flags: readonly string[];
  let before: Snapshot;
  const cwd = mkdtempSync(join(tmpdir(), 'tenant-migrate-cluster-'));
  const run = (...words: string[]) => runCli(words, { cwd });

  beforeAll(async () => {
    const cluster = await freshCluster();
    const raws = cluster.nodes.map(({ port }) => rawRedis(port));
    const proxies = await Promise.all(
      cluster.nodes.map(({ port }) => startTcpProxy({ target: { host: '127.0.0.1', port } })),
    );
    const maps = cluster.nodes.flatMap(({ port }, index) => [
      '--redis-node-map',
      `127.0.0.1:${port}=127.0.0.1:${proxies[index]?.port}`,
    ]);
    flags = ['--only', 'redis', '--redis-port', `${proxies[0]?.port}`, ...maps];
    slow = (ms) => {
      for (const proxy of proxies) proxy.setLatency(ms);
    };
    world = async () => {
      const parts = await Promise.all(raws.map((raw) => snapshot(raw)));
      const entries = parts.flatMap((part) => Object.entries(part)).filter(([key]) => !key.startsWith(LOCK));
      return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
    };
    count = async (tenant) => {
      const lists = await Promise.all(raws.map((raw) => raw.keys(`${tenant}_text_chunks:*`)));
      return lists.flat().length;
    };
    await seed(cluster.port);
    before = await world();
    stop = async () => {
      for (const raw of raws) raw.disconnect();
      await Promise.all(proxies.map((proxy) => proxy.close()));
      await cluster.stop();
    };
  });
  afterAll(() => stop());

  const moved = () =>
    Object.fromEntries(
      Object.entries(before)
        .map(([key, value]) => [key.replace(/^acme_text/, 'tenant_7_text'), value] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  const moveWords = () => ['acme', 'tenant_7', ...flags, '--batch-size', '5'];

  /** Starts a move and kills it as soon as it has come so far. */
  async function killedWhen(reached: () => Promise<boolean>): Promise<CliResult> {
    slow(2);
    const ended = runCli(moveWords(), {
      cwd,
      onStart: async (kill) => {
        for (const end = Date.now() + 20_000; Date.now() < end; await sleep(5)) if (await reached()) break;
        kill('SIGKILL');
      },
    });
    const result = await ended;
    slow(0);
    return result;
  }
  const inApply = async () => (await count('tenant_7')) > 30;
  const inFinalize = async () => (await count('tenant_7')) === KEYS && (await count('acme')) < KEYS - 25;

  it('says which announced address cannot be reached, and which flag mends that, and writes nothing', async () => {
    const [, announced = ''] = flags.slice(4, 6);
    const result = await run(
      'acme',
      'tenant_7',
      ...flags.slice(0, 4),
      '--redis-node-map',
      announced.replace(/\d+$/, '1'),
    );
    expect(result.code).toBe(5);
    expect(result.stdout + result.stderr).toContain('--redis-node-map');
    expect(await world()).toEqual(before);
  });

  it('plans the copies in a dry run that writes nothing', async () => {
    const result = await run(...moveWords(), '--dry-run');
    expect(result.code).toBe(0);
    expect(result.stdout + result.stderr).toContain('they change their slot with their name');
    expect(await world()).toEqual(before);
  });

  it('finishes what was killed in the middle of apply, and takes the finished run back', async () => {
    expect((await killedWhen(inApply)).code).toBe(-1);
    expect(await count('acme')).toBeGreaterThan(0);
    const resumed = await run('resume', '--json');
    expect(resumed.code).toBe(0);
    expect(await world()).toEqual(moved());
    const { runId } = resumed.json() as unknown as { runId: string };
    const undone = await run('rollback', runId, '--yes');
    expect(undone.code).toBe(0);
    expect(await world()).toEqual(before);
  });

  it('takes back, or finishes, what was killed in the middle of finalize', async () => {
    await killedWhen(inFinalize);
    expect(await world()).not.toEqual(before);
    expect((await run('rollback', '--yes')).code).toBe(0);
    expect(await world()).toEqual(before);
    await killedWhen(inFinalize);
    expect((await run('resume', '--yes')).code).toBe(0);
    expect(await world()).toEqual(moved());
    expect((await run('verify', 'acme', 'tenant_7', ...flags)).code).toBe(0);
  });
});

async function seed(port: number): Promise<void> {
  const client = new Cluster([{ host: '127.0.0.1', port }], { redisOptions: { protocol: 2 } });
  for (let n = 0; n < KEYS; n += 1) {
    const key = `acme_text_chunks:${n % 6 === 0 ? `{doc${n}}` : n}`;
    if (n % 3 === 0) await client.set(key, `chunk ${n}`, 'EX', 86_400 + n);
    else if (n % 3 === 1) await client.hset(key, { n: String(n) });
    else await client.rpush(key, 'a', String(n));
    if (n < 20) await client.set(`acme_eu_text_chunks:${n}`, 'neighbour');
  }
  client.disconnect();
}
