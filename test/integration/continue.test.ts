import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { type CliResult, runCli, runHere } from '../support/cli.ts';
import { PROGRAM } from '../support/program.ts';
import { freshId, type Stores, secretsOf, startStores } from '../support/stores.ts';
import { movedWorld, readWorld, type World, worldDifferences } from '../support/world.ts';

describe('a move that does not come to its end', () => {
  let stores: Stores;
  let source: string;
  let target: string;
  let neighbour: string;
  let before: World;
  let cwd: string;
  const world = () => readWorld({ ...stores.urls, tenants: [source, target, neighbour] });
  const words = (args: readonly string[]) => [source, target, '--json', ...stores.flags, ...args];
  const env = () => ({ TENANT_MIGRATE_CONFIG_SECRETS: secretsOf(source) });
  const move = (args: readonly string[] = [], options: Parameters<typeof runHere>[1] = {}): Promise<CliResult> =>
    runHere(words(args), { cwd, env: env(), ...options });
  const moveAsProcess = (args: readonly string[], options: Parameters<typeof runCli>[1]): Promise<CliResult> =>
    runCli(words(args), { cwd, env: env(), ...options });
  const stopWhen = (text: string, signal: NodeJS.Signals): Parameters<typeof runHere>[1] => {
    let sent = false;
    return {
      onStderr: (stderr, kill) => {
        if (sent || !stderr.includes(text)) return;
        sent = true;
        kill(signal);
      },
    };
  };
  const expectComplete = async (): Promise<void> => {
    const after = await world();
    const expected = new Map(movedWorld(before, source, target));
    expected.set(`config ${target}`, after.get(`config ${target}`) ?? 'missing');
    expect(worldDifferences(expected, after)).toEqual([]);
    expect(stores.api.stored(target)?.sections).toEqual(stores.api.stored(source)?.sections);
  };

  beforeEach(async () => {
    await stores?.stop();
    stores = await startStores();
    [source, target, neighbour] = [freshId('acme'), freshId('tenant'), freshId('neighbour')];
    cwd = mkdtempSync(join(tmpdir(), 'tenant-migrate-continue-'));
    await stores.seedSmall(source);
    await stores.seedSmall(neighbour);
    before = await world();
  });
  afterAll(() => stores.stop());

  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    it(`${signal} finishes the batch and exits ${code}; the same command finishes the move`, async () => {
      stores.qdrant.setLatency(60);
      const stopped = await moveAsProcess(['--batch-size', '3'], stopWhen('Migrating Qdrant points', signal));
      expect(stopped.code).toBe(code);
      expect(stopped.json()).toMatchObject({ outcome: 'stopped', exitCode: code });
      expect(stopped.json().next).toBe(`tenant-migrate resume ${stopped.json().runId}`);
      const stages = stopped.json().stages as { name: string; status: string; moved: number }[];
      expect(stages.find(({ name }) => name === 'redis')?.moved).toBe(120);
      expect(stages.find(({ name }) => name === 'graph')?.status).toBe('not-run');
      stores.qdrant.setLatency(0);
      const again = await move();
      expect(again.stderr).toContain(`Continuing run ${String(stopped.json().runId)}`);
      expect(again.code).toBe(0);
      await expectComplete();
    });
  }

  it('a run that is killed is finished by the same command', async () => {
    stores.qdrant.setLatency(60);
    const killed = await moveAsProcess(['--batch-size', '3'], stopWhen('Migrating Qdrant points', 'SIGKILL'));
    expect(killed.code).not.toBe(0);
    stores.qdrant.setLatency(0);
    expect((await move()).code).toBe(0);
    await expectComplete();
  });

  it('a store that fails midway leaves the rest where it was, says so, and is finished by the same command', async () => {
    stores.qdrant.fail({ path: /payload/, kind: 'status', status: 500, skip: 2, times: Number.POSITIVE_INFINITY });
    const failed = await runHere([source, target, ...stores.flags, '--batch-size', '20'], {
      cwd,
      env: { TENANT_MIGRATE_CONFIG_SECRETS: secretsOf(source) },
    });
    expect(failed.code).toBe(4);
    expect(failed.stdout).toMatch(/HTTP 500/);
    expect(failed.stdout).toMatch(
      /moved in this attempt: .*Redis 120 of 120 keys.*The rest is where it was; resume finishes the move, rollback takes it back/,
    );
    expect(failed.stdout).toMatch(/next: tenant-migrate resume \d{8}T\d{6}-[0-9a-f]{6}/);
    stores.qdrant.clearFailures();
    expect((await move()).code).toBe(0);
    await expectComplete();
  });

  it('a collection that vanishes midway is named, with exit 4', async () => {
    const gone = {
      status: 404,
      body: '{"status":{"error":"Not found: Collection `lightrag_vdb_entities` doesn\'t exist!"},"time":0}',
    };
    stores.qdrant.fail({
      path: /lightrag_vdb_entities\/points\/payload/,
      kind: 'status',
      times: Number.POSITIVE_INFINITY,
      skip: 1,
      ...gone,
    });
    const failed = await move(['--batch-size', '10']);
    expect(failed.code).toBe(4);
    expect(failed.json().error).toMatch(/lightrag_vdb_entities/);
    stores.qdrant.clearFailures();
    expect((await move()).code).toBe(0);
    await expectComplete();
  });

  it('a cut connection in each HTTP store is survived within the run', async () => {
    stores.qdrant.fail({ path: /payload/, kind: 'cut-after', times: 1, skip: 1 });
    stores.qdrant.fail({ path: /scroll/, kind: 'cut-before', times: 1, skip: 1 });
    stores.api.fail({ method: 'PUT', path: /config/, kind: 'cut-after', times: 1 });
    const result = await move(['--batch-size', '10']);
    expect(result.code).toBe(0);
    await expectComplete();
  });

  it('an API that writes and then answers 500 is looked at, not written to blindly', async () => {
    stores.api.clearRequests();
    stores.api.fail({ method: 'PUT', path: /config/, kind: 'cut-after', times: 1 });
    expect((await move(['--only', 'config'])).code).toBe(0);
    expect(stores.api.requests.filter(({ method }) => method === 'PUT')).toHaveLength(1);
  });

  it('what is left is moved by --skip-…, as the guide’s selective retry does', async () => {
    expect((await move(['--skip-qdrant', '--skip-memgraph'])).code).toBe(0);
    expect((await move(['--skip-redis', '--skip-config'])).code).toBe(0);
    await expectComplete();
  });

  it('a run that is continued without one of its stages stays unfinished until that one is done', async () => {
    stores.qdrant.fail({ path: /payload/, kind: 'status', status: 500, skip: 2, times: Number.POSITIVE_INFINITY });
    expect((await move(['--batch-size', '20'])).code).toBe(4);
    stores.qdrant.clearFailures();
    const without = await move(['--skip-qdrant']);
    expect(without.code).toBe(0);
    expect(without.json().message).toMatch(/this run also began qdrant, left out now and still unfinished/);
    const rest = await move();
    expect(rest.stderr).toContain('Continuing run');
    expect(rest.code).toBe(0);
    await expectComplete();
    expect((await move(['--skip-config'])).json().outcome).toBe('nothing-to-do');
  });

  it('an unfinished run on other servers is not the same run', async () => {
    const stopped = await move(['--skip-graph', '--batch-size', '3'], stopWhen('Migrating Redis', 'SIGINT'));
    expect(stopped.code).toBe(130);
    const others = await startStores();
    try {
      const elsewhere = await runHere([source, target, '--only', 'redis', ...others.flags], { cwd });
      expect(elsewhere.stdout).toMatch(/was made with other servers: .*--state-dir/s);
      expect(elsewhere.code).toBe(5);
    } finally {
      await others.stop();
    }
    expect((await move()).code).toBe(0);
    await expectComplete();
  });

  it('a stage that the interrupted run did not begin is not merged', async () => {
    const stopped = await move(['--skip-qdrant'], stopWhen('Migrating graph nodes', 'SIGINT'));
    expect([0, 130]).toContain(stopped.code);
    await stores.seedSmall(target);
    const full = await move();
    expect(full.code).toBe(5);
    expect(full.stdout).toContain('holds points of both');
  });

  it('what appeared elsewhere after an interruption is moved as well', async () => {
    stores.qdrant.setLatency(60);
    expect((await move(['--batch-size', '3'], stopWhen('Migrating Qdrant points', 'SIGINT'))).code).toBe(130);
    stores.qdrant.setLatency(0);
    const collection = `${stores.urls.qdrantUrl}/collections/came_later`;
    const put = (path: string, body: object) =>
      fetch(`${collection}${path}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    await put('', { vectors: { size: 1, distance: 'Dot' } });
    await put('/points?wait=true', { points: [{ id: 1, vector: [1], payload: { workspace_id: source } }] });
    expect((await move()).code).toBe(0);
    const point = await (await fetch(`${collection}/points/1`)).json();
    expect(point).toMatchObject({ result: { payload: { workspace_id: target } } });
  });

  it('a key that the application writes once more with the same value does not stay behind', async () => {
    stores.qdrant.setLatency(60);
    const redis = new Redis(stores.urls.redisUrl);
    const key = `${source}_text_chunks:hot`;
    await redis.set(key, 'same');
    let rewritten: Promise<unknown> | undefined;
    const result = await move(['--batch-size', '3'], {
      onStderr: (text) => {
        if (text.includes('Migrating Qdrant points')) rewritten ??= redis.set(key, 'same');
      },
    });
    await rewritten;
    expect(result.code).toBe(0);
    expect(await redis.exists(key)).toBe(0);
    expect(await redis.get(`${target}_text_chunks:hot`)).toBe('same');
    redis.disconnect();
  });

  it('differences that were looked at can be accepted, which closes the run', async () => {
    stores.qdrant.setLatency(60);
    expect((await move(['--batch-size', '3'], stopWhen('Migrating Qdrant points', 'SIGINT'))).code).toBe(130);
    stores.qdrant.setLatency(0);
    const redis = new Redis(stores.urls.redisUrl);
    const [key = ''] = await redis.keys(`${target}_full_docs:*`);
    await redis.del(key);
    redis.disconnect();
    const failed = await runHere([source, target, ...stores.flags], {
      cwd,
      env: { TENANT_MIGRATE_CONFIG_SECRETS: secretsOf(source) },
    });
    expect(failed.code).toBe(4);
    expect(failed.stdout).toMatch(/119 keys stand under .*, 120 were expected[\s\S]*not as the plan promised/);
    const accepted = await move(['--accept-differences']);
    expect(accepted.code).toBe(0);
    const findings = accepted.json().findings as { message: string }[];
    expect(findings.some(({ message }) => message.includes('(accepted by --accept-differences)'))).toBe(true);
    expect((await move(['--skip-config'])).json().outcome).toBe('nothing-to-do');
  });

  it('a stored plan that was applied already has nothing to do', async () => {
    const env = { TENANT_MIGRATE_CONFIG_SECRETS: secretsOf(source) };
    const plan = await runHere(['plan', source, target, '--json', '--skip-config', ...stores.flags], { cwd, env });
    writeFileSync(join(cwd, 'plan.json'), plan.stdout);
    expect((await runHere(['apply', 'plan.json', '--skip-config', ...stores.flags], { cwd })).code).toBe(0);
    const again = await runHere(['apply', 'plan.json', '--skip-config', '--json', ...stores.flags], { cwd });
    expect(again.json().outcome).toBe('nothing-to-do');
    expect(again.code).toBe(0);
  });

  it('an unfinished move blocks a mistyped target and other key templates', async () => {
    stores.qdrant.fail({ path: /payload/, kind: 'status', status: 500, skip: 2, times: Number.POSITIVE_INFINITY });
    const failed = await move(['--batch-size', '20']);
    expect(failed.code).toBe(4);
    stores.qdrant.clearFailures();
    const run = String(failed.json().runId);
    const mistyped = await runHere([source, `${target}x`, ...stores.flags], { cwd });
    expect(mistyped.code).toBe(5);
    expect(mistyped.stdout).toContain(`run ${run} has begun to move ${source} → ${target}`);
    const other = await move(['--key-template', 'cache:{tenant}:*']);
    expect(other.code).toBe(5);
    expect(other.stdout).toContain('began under another profile or other key templates');
    expect((await move()).code).toBe(0);
    await expectComplete();
  });

  it('a failure before anything was written leaves no unfinished run', async () => {
    stores.api.fail({ path: /config/, kind: 'status', status: 500, times: Number.POSITIVE_INFINITY });
    expect((await move()).code).toBe(5);
    const [name = ''] = readdirSync(join(cwd, '.tenant-migrate/runs'));
    expect(JSON.parse(readFileSync(join(cwd, '.tenant-migrate/runs', name, 'run.json'), 'utf8'))).toMatchObject({
      state: 'refused',
    });
  });

  it('a reader of the output that leaves does not end the move', async () => {
    const words = [process.execPath, PROGRAM, source, target, ...stores.flags].join(' ');
    await new Promise<void>((resolve, reject) => {
      const child = spawn('/bin/sh', ['-c', `${words} 2>&1 | head -n 1`], {
        cwd,
        env: { PATH: process.env.PATH ?? '', TENANT_MIGRATE_CONFIG_SECRETS: secretsOf(source) },
        stdio: 'ignore',
      });
      child.on('error', reject);
      child.on('close', () => resolve());
    });
    const runs = join(cwd, '.tenant-migrate/runs');
    await expect
      .poll(
        () => readdirSync(runs).map((name) => JSON.parse(readFileSync(join(runs, name, 'run.json'), 'utf8')).state),
        {
          timeout: 30_000,
        },
      )
      .toEqual(['done']);
    await expectComplete();
  });

  it('a dry run and verify leave no run folder', async () => {
    await move(['--dry-run']);
    await runHere(['verify', source, target, ...stores.flags], { cwd });
    expect(existsSync(join(cwd, '.tenant-migrate'))).toBe(false);
  });

  it('verify before the move exits 2 and lists what stands at the source', async () => {
    const result = await runHere(['verify', source, target, '--json', ...stores.flags], { cwd });
    expect(result.code).toBe(2);
    const kinds = (result.json().findings as { stage: string; kind: string; severity: string }[])
      .filter(({ severity }) => severity === 'difference')
      .map(({ stage, kind }) => `${stage} ${kind}`);
    expect(kinds).toContain('redis left-behind');
    expect(kinds).toContain('qdrant left-behind');
    expect(kinds).toContain('graph left-behind');
    expect(kinds).toContain('config missing');
  });
});
