import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seed } from '../../scripts/seed.ts';
import { runCli } from '../support/cli.ts';
import { type Stores, secretsOf, startStores } from '../support/stores.ts';
import { movedWorld, readWorld, type World, worldDifferences } from '../support/world.ts';

const TENANTS = ['siraya', 'tenant_76920508', 'siraya_eu', 'my_siraya', 'sirayax', 'other'];

describe('the guide’s whole tenant beside four neighbours', () => {
  let stores: Stores;
  let before: World;
  const cwd = mkdtempSync(join(tmpdir(), 'tenant-migrate-full-'));
  const env = { TENANT_MIGRATE_CONFIG_SECRETS: secretsOf('siraya') };
  const world = () => readWorld({ ...stores.urls, tenants: TENANTS });

  beforeAll(async () => {
    stores = await startStores();
    await seed(stores.urls);
    before = await world();
  });
  afterAll(() => stores.stop());

  it('a dry run tells all and writes nothing', async () => {
    const monitor = await monitorRedis(stores.urls.redisUrl);
    stores.qdrant.clearRequests();
    stores.api.clearRequests();
    const result = await runCli(['siraya', 'tenant_76920508', '--dry-run', ...stores.flags], { cwd, env });
    expect(result.code).toBe(0);
    expect(result.stdout).toContain('siraya_text_chunks:… → tenant_76920508_text_chunks:…');
    expect(result.stdout).toMatch(/found 38,491 keys/);
    expect(result.stdout).toMatch(/found 39,114 points/);
    expect(result.stdout).toMatch(/found 13,613 nodes/);
    expect(result.stdout).toContain("--key-template 'cache:{tenant}:*'");
    expect(result.stdout).toContain('This moves what is listed here');
    expect([...(await monitor.stop())].filter((command) => !READING.has(command))).toEqual([]);
    expect(stores.qdrant.requests.filter(({ write }) => write)).toEqual([]);
    expect(stores.api.requests.filter(({ write }) => write)).toEqual([]);
    expect(worldDifferences(before, await world())).toEqual([]);
  });

  it('the move puts every record where it belongs and touches no other', async () => {
    const result = await runCli(['siraya', 'tenant_76920508', '--json', ...stores.flags], { cwd, env });
    expect(result.stderr).toContain('Progress: 5,');
    expect(result.code).toBe(0);
    expect(result.json()).toMatchObject({
      schema: 'tenant-migrate/report@1',
      moves: [{ source: 'siraya', target: 'tenant_76920508' }],
      dryRun: false,
      outcome: 'done',
      exitCode: 0,
      next: null,
      stages: [
        { name: 'config', status: 'done', found: 1, moved: 1, failed: 0 },
        { name: 'redis', status: 'done', found: 38_491, moved: 38_491, failed: 0 },
        { name: 'qdrant', status: 'done', found: 39_114, moved: 39_114, failed: 0 },
        { name: 'graph', status: 'done', found: 13_613, moved: 13_613, failed: 0 },
      ],
    });
    const after = await world();
    const expected = new Map(movedWorld(before, 'siraya', 'tenant_76920508'));
    expected.set('config tenant_76920508', after.get('config tenant_76920508') ?? 'missing');
    expect(worldDifferences(expected, after)).toEqual([]);
    expect(stores.api.stored('tenant_76920508')?.sections).toEqual(stores.api.stored('siraya')?.sections);
  });

  it('what the plan noted stands in verify’s report as findings of their own', async () => {
    const result = await runCli(['verify', 'siraya', 'tenant_76920508', '--json', ...stores.flags], { cwd, env });
    expect(result.code).toBe(0);
    expect(result.json().message).toMatch(/against the plan of run .*, depth sample/);
    const kinds = (result.json().findings as { kind: string; severity: string }[]).map(
      ({ kind, severity }) => `${severity} ${kind}`,
    );
    expect(kinds).toContain('notice schema');
    expect(kinds).toContain('notice unclaimed');
  });

  it('a second run finds nothing to do', async () => {
    const result = await runCli(['siraya', 'tenant_76920508', '--json', ...stores.flags], { cwd });
    expect(result.code).toBe(0);
    expect(result.json()).toMatchObject({ outcome: 'nothing-to-do', exitCode: 0 });
    expect(result.json().message).toMatch(/^nothing to do; target has .*38,491 keys/);
  });

  it('the move back gives the world as it was', async () => {
    const result = await runCli(['tenant_76920508', 'siraya', '--json', '--skip-config', ...stores.flags], { cwd });
    expect(result.code).toBe(0);
    const back = new Map(await world());
    back.set('config tenant_76920508', before.get('config tenant_76920508') ?? 'missing');
    expect(worldDifferences(before, back)).toEqual([]);
  });
});

/** Commands that change nothing, as MONITOR names them; AUTH, CLIENT and their like are the connection's own. */
const READING = new Set(
  'info ping client select hello scan exists type pexpiretime pttl strlen llen hlen scard zcard xlen get getrange lrange hgetall smembers zrange xinfo xrange dump hscan sscan zscan memory acl command'.split(
    ' ',
  ),
);

async function monitorRedis(url: string): Promise<{ stop(): Promise<ReadonlySet<string>> }> {
  const redis = new Redis(url);
  const monitor = await redis.monitor();
  const seen = new Set<string>();
  monitor.on('monitor', (_time: string, args: string[]) => seen.add((args[0] ?? '').toLowerCase()));
  return {
    async stop() {
      monitor.disconnect();
      redis.disconnect();
      return seen;
    },
  };
}
