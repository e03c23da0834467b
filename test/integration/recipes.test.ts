import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runCli, runHere } from '../support/cli.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { runIds } from '../support/redis-run.ts';
import { freshId, type Stores, secretsOf, startStores } from '../support/stores.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { movedWorld, readWorld, type World, worldDifferences } from '../support/world.ts';

/** The recipes of the guide as a new user types them, to their exact end. The one through a tunnel: tunnel.test.ts. */
describe('the recipes', () => {
  let stores: Stores;
  let qdrant: TcpProxy;
  let receiver: Receiver;
  let [source, target, cwd] = ['', '', ''];
  let before: World;
  const at = (name: string) => join(cwd, name);
  const text = (name: string) => readFileSync(at(name), 'utf8');
  const world = () => readWorld({ ...stores.urls, tenants: [source, target] });
  const addresses = () => {
    const { hostname, port } = new URL(stores.urls.graphUrl);
    const flags = ['--redis-port', `${stores.redis.port}`, '--qdrant-url', `http://127.0.0.1:${qdrant.port}`];
    return [...flags, '--memgraph-host', hostname, '--memgraph-port', port, '--api-url', stores.urls.apiUrl];
  };
  /** Takes Qdrant away while the keys move, which comes before its turn. */
  const dying = () => {
    let isDead = false;
    return (told: string) => {
      if (isDead || !told.includes('Migrating Redis keys')) return;
      isDead = true;
      void qdrant.refuse(true).then(() => qdrant.cutAll());
    };
  };
  /** What stands there is the move's, to the byte; the config is written by the API in its own way. */
  const expectMoved = async ({ config }: { config: boolean }) => {
    const after = await world();
    const expected = new Map(movedWorld(before, source, target));
    if (config) expected.set(`config ${target}`, after.get(`config ${target}`) ?? 'missing');
    expect(worldDifferences(expected, after)).toEqual([]);
  };

  beforeAll(async () => {
    [stores, receiver] = await Promise.all([startStores(), startReceiver()]);
    qdrant = await startTcpProxy({ target: { host: '127.0.0.1', port: Number(new URL(stores.urls.qdrantUrl).port) } });
  });
  beforeEach(async () => {
    [source, target] = [freshId('siraya'), freshId('tenant')];
    cwd = mkdtempSync(join(tmpdir(), 'tenant-migrate-recipes-'));
    await stores.seedSmall(source);
    before = await world();
  });
  afterAll(async () => {
    await Promise.all([stores.stop(), receiver.close(), qdrant.close()]);
  });

  it('in a pipeline: a store dies, --auto-rollback takes all back (3); without it 4; the same step again finishes', async () => {
    const flags = addresses();
    const value = (name: string) => flags[flags.indexOf(name) + 1];
    const hook = `before-plan=${process.execPath} -e 0`;
    const prod = {
      'redis-port': value('--redis-port'),
      'qdrant-url': value('--qdrant-url'),
      'memgraph-host': value('--memgraph-host'),
      'memgraph-port': value('--memgraph-port'),
      'api-url': value('--api-url'),
      'config-secrets': './secrets.json',
      hook: [hook, `on-failure=${receiver.url}/failed`, `after-run=${receiver.url}/after`],
      'metrics-file': './metrics.prom',
      notify: 'webhook',
      'state-dir': './migrate-state',
      rate: 'redis=200',
    };
    // JSON is YAML.
    writeFileSync(at('tenant-migrate.yaml'), JSON.stringify({ environments: { prod, dev: {} } }));
    writeFileSync(at('secrets.json'), secretsOf(source));
    const step = async (more: readonly string[], onStderr: (text: string) => void = () => undefined) => {
      writeFileSync(at('summary.md'), '');
      receiver.received.length = 0;
      const github = { CI: 'true', GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: at('summary.md') };
      const env = { ...github, WEBHOOK_URL: `${receiver.url}/told` };
      const result = await runCli([source, target, '--env', 'prod', '--json', ...more], { cwd, env, onStderr });
      return { ...result, summary: text('summary.md'), told: receiver.received.map(({ path }) => path) };
    };

    const broken = await step(['--retries', '0'], dying());
    expect(broken, broken.stderr).toMatchObject({ code: 4, told: ['/failed', '/after', '/told'] });
    const { runId } = broken.json() as { runId?: string };
    // The log says how it ended and what to type, though the report went to a file.
    expect(broken.stderr).toMatch(/❌ Qdrant at \S+ does not answer.*\(exit 4\)\n.*\n {3}next: tenant-migrate resume /);
    expect(broken.stderr.match(/^::error /gm)).toHaveLength(1);
    // What is to be copied from the summary is a command, and nothing else.
    expect(broken.summary).toMatch(/^First: check .*qdrant-url/m);
    expect(broken.summary).toMatch(
      new RegExp(`^\`\`\`\ntenant-migrate resume ${runId} --state-dir \\S+ --env prod\n\`\`\`$`, 'm'),
    );
    expect(text('metrics.prom')).toMatch(/^tenant_migrate_exit_code\{.*\} 4$/m);

    // Refused, and it does not say that nothing was ever written.
    const again = await step(['--retries', '0']);
    expect(again).toMatchObject({ code: 5 });
    expect(again.stderr).toContain(
      `refused before anything more was written: 1 problem; run ${runId} is still unfinished`,
    );

    await qdrant.refuse(false);
    const retried = await step([]);
    expect(retried, retried.stderr).toMatchObject({ code: 0, told: ['/after', '/told'] });
    expect(retried.json()).toMatchObject({ runId, outcome: 'done', next: null });
    expect(retried.stderr).toMatch(/✅ Migration completed in .*: moved and verified\n {3}report: /);
    expect(retried.stderr).toMatch(/Verifying …[\s\S]*Finalizing …[\s\S]*Verifying …/);
    expect(retried.summary).toMatch(/^## ✅ Moved and verified/m);
    await expectMoved({ config: true });

    [source, target] = [freshId('siraya'), freshId('tenant')];
    await stores.seedSmall(source);
    writeFileSync(at('secrets.json'), secretsOf(source));
    before = await world();
    const dies = dying();
    const taken = await step(['--auto-rollback'], (told) => {
      dies(told);
      if (told.includes('Tenant Data Rollback')) void qdrant.refuse(false);
    });
    expect(taken, taken.stderr).toMatchObject({ code: 3, told: ['/failed', '/after', '/told'] });
    // One verdict, not that of the move and then another of its end.
    expect(taken.stderr.match(/^::error /gm)).toHaveLength(1);
    expect(taken.json()).toMatchObject({ outcome: 'undone', next: null });
    expect(worldDifferences(before, await world())).toEqual([]);
  }, 180_000);

  it('a selective retry leaves the other stages the run’s: resume and rollback come back to them', async () => {
    const words = [source, target, '--skip-config', ...addresses()];
    const run = (more: readonly string[], onStderr: (text: string) => void = () => undefined) =>
      runHere(more, { cwd, onStderr });
    expect(await run([...words, '--retries', '0', '--rate', 'redis=200'], dying())).toMatchObject({ code: 4 });
    await qdrant.refuse(false);

    const selective = await run([...words, '--skip-redis']);
    expect(selective, selective.stderr).toMatchObject({ code: 0 });
    expect(selective.stdout).toMatch(/also began redis, left out now[^\n]*\n {3}next: tenant-migrate resume \S+\n/);
    // Nothing of a store that was not looked at.
    expect(selective.stdout).not.toMatch(/! Redis:/);
    expect(await run(['status'])).toMatchObject({ code: 2 });

    const resumed = await run(['resume']);
    expect(resumed, resumed.stderr).toMatchObject({ code: 0 });
    expect(resumed.stdout).toMatch(
      /Redis: ✅[\s\S]*: moved and verified\n {3}undo: tenant-migrate rollback .*\n {3}report: /,
    );
    await expectMoved({ config: false });
    const status = await run(['status']);
    expect(status).toMatchObject({ code: 0 });
    // What once went wrong is no news of a run that is done.
    expect(status.stdout).not.toMatch(/last error|at: /);

    const [id = ''] = runIds(at('.tenant-migrate'));
    expect(await run(['rollback', id])).toMatchObject({ code: 0 });
    expect(worldDifferences(before, await world())).toEqual([]);
  }, 120_000);
});
