import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { copyOf, edit, filesIn, type RedisRun, runIds, startRedisRun, until } from '../support/redis-run.ts';

describe('resume', () => {
  let world: RedisRun;
  const begin = async (options?: Parameters<typeof startRedisRun>[0]) => {
    world = await startRedisRun(options);
    return world;
  };
  const folderOf = (id: string, stateDir = world.stateDir) => join(stateDir, 'runs', id);
  const elsewhere = () => mkdtempSync(join(tmpdir(), 'tenant-migrate-elsewhere-'));

  afterEach(() => world.stop());

  it('needs no flag, and what it goes by holds no secret', async () => {
    const secrets = ['pass-5a17e', 'key-77c0ffee', 'token-0dd5', 'graph-1234567', 'sk-real-config-secret'];
    const [password = '', apiKey = '', token = '', graph = '', config = ''] = secrets;
    const { run, killedOf, missing, stateDir, proxy } = await begin({ redis: ['--requirepass', password] });
    const env = {
      TENANT_MIGRATE_REDIS_URL: `redis://:${password}@127.0.0.1:${proxy.port}/0`,
      QDRANT_API_KEY: apiKey,
      TENANT_MIGRATE_API_TOKEN: token,
      GRAPH_PASSWORD: graph,
      TENANT_MIGRATE_CONFIG_SECRETS: JSON.stringify({ llm: { api_key: config } }),
    };
    const id = await killedOf(['acme', 'tenant_7', '--only', 'redis', '--batch-size', '2'], { env });
    const locked = await run(['resume', '--settle', '0.5']);
    expect(locked.code).toBe(5);
    expect(locked.stdout).toMatch(/NOAUTH|password/i);
    const resumed = await run(['resume'], { env: { REDIS_PASSWORD: password } });
    expect(resumed.stderr).toContain(`Continuing run ${id}`);
    expect(resumed.code).toBe(0);
    const [, moved, found, now] = /Redis: ✅ (\d+)\/(\d+) keys \(in this attempt: (\d+),/.exec(resumed.stdout) ?? [];
    expect(resumed.stdout).toMatch(/in this attempt: \d/);
    expect(found).toBe(moved);
    expect(Number(now)).toBeLessThan(Number(moved));
    expect(await missing()).toEqual([]);
    expect(JSON.parse(readFileSync(join(folderOf(id), 'run.json'), 'utf8')).settings).toMatchObject({
      'batch-size': '2',
      only: ['redis'],
    });
    const held = [
      ...filesIn(stateDir).map(({ path, bytes }) => ({
        path,
        bytes: path.endsWith('.gz') ? gunzipSync(bytes) : bytes,
      })),
      { path: 'output', bytes: Buffer.from([locked, resumed].map(({ stdout, stderr }) => stdout + stderr).join('')) },
    ];
    for (const { path, bytes } of held)
      for (const secret of secrets) expect(`${path} ${bytes.includes(secret)}`).toBe(`${path} false`);
  });

  it('works from another folder, also where the record holds paths that were relative to the first', async () => {
    const { killed, run, missing, cwd, stateDir } = await begin();
    writeFileSync(join(cwd, 'secrets.json'), '{"llm":{"api_key":"sk-a"}}');
    await killed(['--config-secrets', 'secrets.json', '--pause-file', 'pause']);
    const at = elsewhere();
    const lost = await run(['resume'], { cwd: at });
    expect(lost.code).toBe(64);
    expect(lost.stderr).toContain('--state-dir');
    const resumed = await run(['resume', '--state-dir', stateDir, '--json'], { cwd: at });
    expect(resumed.code).toBe(0);
    expect(await missing()).toEqual([]);
  });

  it('finishes a run whose folder was copied to another state folder', async () => {
    const id = await (await begin()).killed();
    const copy = join(elsewhere(), 'state');
    mkdirSync(join(copy, 'runs'), { recursive: true });
    // What was killed left its socket, which is no file.
    cpSync(folderOf(id), folderOf(id, copy), { recursive: true, filter: (path) => !path.endsWith('control.sock') });
    expect((await world.run(['resume', id, '--state-dir', copy])).code).toBe(0);
    expect(await world.missing()).toEqual([]);
  });

  it('refuses another address until it is said to be the same server; host and port replace a recorded URL', async () => {
    const id = await (await begin()).killed();
    const halfWay = await world.world();
    const words = ['resume', '--redis-port', String(world.server.port), '--json'];
    const refused = await world.run(words);
    expect(refused.code).toBe(5);
    expect(JSON.stringify(refused.json().problems)).toMatch(
      /made with other servers: redis at 127\.0\.0\.1:\d+.*--same-servers/,
    );
    expect(await world.world()).toEqual(halfWay);
    const same = await world.run([...words, '--same-servers']);
    expect(same.code).toBe(0);
    expect(await world.missing()).toEqual([]);
    const { stores, settings } = JSON.parse(readFileSync(join(folderOf(id), 'run.json'), 'utf8'));
    expect(stores.redis).toBe(`127.0.0.1:${world.server.port}/0`);
    expect(settings['redis-url']).toBeUndefined();
    expect(settings['redis-port']).toBe(String(world.server.port));
  });

  it('without its journal goes by the stores, says so, and ends exactly there', async () => {
    const id = await (await begin()).killed();
    rmSync(join(folderOf(id), 'journal.ndjson'));
    const status = await world.run(['status', '--json']);
    expect(status.json()).toMatchObject({ id, journal: 'gone', unfinished: true });
    expect(status.code).toBe(2);
    const resumed = await world.run(['resume']);
    expect(resumed.stderr).toContain('the run’s journal is gone: what is done is told by the stores alone');
    expect(resumed.code).toBe(0);
    expect(await world.missing()).toEqual([]);
  });

  it('rollback without the journal takes back what the undo log holds, to the exact start', async () => {
    const id = await (await begin()).killed();
    rmSync(join(folderOf(id), 'journal.ndjson'));
    const result = await world.run(['rollback']);
    expect(result.stderr).toContain('the run’s journal is gone');
    expect(result.code).toBe(0);
    expect(await world.changed()).toEqual([]);
  });

  it('a journal that is not what this run wrote is refused with its file and place, and nothing is written', async () => {
    const id = await (await begin()).killed();
    const halfWay = await world.world();
    const asLines = (change: (lines: string[]) => string[]) => (text: string) =>
      `${change(text.trimEnd().split('\n')).join('\n')}\n`;
    const damages: readonly [string, (text: string) => string, RegExp][] = [
      [
        'changed',
        asLines((lines) => lines.with(2, (lines[2] ?? '').replace(/"at":1/, '"at":2'))),
        /is damaged at line 3/,
      ],
      ['removed', asLines((lines) => lines.toSpliced(3, 1)), /is damaged at line 4/],
      ['doubled', asLines((lines) => lines.toSpliced(3, 0, lines[3] ?? '')), /is damaged at line 5/],
      ['of another run', await foreign((first) => ({ ...first, run: 'another' })), /is the journal of run another/],
      [
        'of a later format',
        await foreign((first) => ({ ...first, format: 99, tool: '99.1.0' })),
        /written by tenant-migrate 99\.1\.0/,
      ],
    ];
    for (const [name, damage, said] of damages) {
      const copy = copyOf(world.stateDir);
      edit(join(folderOf(id, copy), 'journal.ndjson'), damage);
      for (const command of ['resume', 'rollback']) {
        const refused = await world.run([command, '--state-dir', copy]);
        expect([name, command, refused.code]).toEqual([name, command, 5]);
        expect(refused.stderr + refused.stdout).toMatch(said);
        expect(refused.stderr + refused.stdout).toContain(join(folderOf(id, copy), 'journal.ndjson'));
      }
      const status = await world.run(['status', '--state-dir', copy, '--json']);
      expect([name, status.code]).toEqual([name, 2]);
      expect(status.json().journal).toMatch(said);
    }
    expect(await world.world()).toEqual(halfWay);
  });

  it('an undo log that is damaged in its middle is refused before anything is written', async () => {
    const id = await (await begin()).killed();
    const halfWay = await world.world();
    const path = join(folderOf(id), 'undo', 'redis.ndjson.gz');
    const whole = readFileSync(path);
    const broken = Buffer.from(whole);
    broken[60] = (broken[60] ?? 0) ^ 0xff;
    writeFileSync(path, broken);
    for (const command of ['resume', 'rollback']) {
      const refused = await world.run([command]);
      expect(refused.stdout + refused.stderr).toMatch(/redis\.ndjson\.gz is damaged between bytes \d+ and \d+/);
      expect([command, refused.code]).toEqual([command, 5]);
      expect(await world.world()).toEqual(halfWay);
      expect((await world.run(['status'])).code).toBe(2);
    }
    writeFileSync(path, whole);
    expect((await world.run(['resume'])).code).toBe(0);
    expect(await world.missing()).toEqual([]);
  });

  it('a plan that was edited is refused, a record of another schema is a setting to correct', async () => {
    const id = await (await begin()).killed();
    const halfWay = await world.world();
    const edited = copyOf(world.stateDir);
    edit(join(folderOf(id, edited), 'plan.json'), (text) => text.replace('"found": 200', '"found": 20'));
    for (const command of ['resume', 'rollback']) {
      const refused = await world.run([command, '--state-dir', edited]);
      expect(refused.code).toBe(5);
      expect(refused.stderr).toMatch(/plan\.json was changed after it was made/);
    }
    const gone = copyOf(world.stateDir);
    rmSync(join(folderOf(id, gone), 'plan.json'));
    const unable = await world.run(['rollback', '--state-dir', gone]);
    expect(unable.code).toBe(5);
    expect(unable.stderr).toMatch(/plan\.json.*is gone/);
    edit(join(folderOf(id), 'run.json'), (text) => text.replace('tenant-migrate/run@2', 'tenant-migrate/run@9'));
    const unknown = await world.run(['resume']);
    expect(unknown.code).toBe(78);
    expect(unknown.stderr).toMatch(/holds no readable run\.json: its schema is tenant-migrate\/run@9/);
    expect(await world.world()).toEqual(halfWay);
  });

  it('of a finished run changes nothing, and there must be an unfinished one where none is named', async () => {
    const { run, moveWords, missing, redis } = await begin();
    expect((await run(['resume'])).code).toBe(64);
    const done = await run(moveWords(['--json']));
    expect(done.code).toBe(0);
    const unnamed = await run(['resume']);
    expect(unnamed.code).toBe(64);
    expect(unnamed.stderr).toContain('there is no unfinished run');
    const named = await run(['resume', String(done.json().runId), '--json']);
    expect(named.code).toBe(0);
    expect((named.json().stages as { moved: number }[]).map(({ moved }) => moved)).toContain(0);
    expect(await missing()).toEqual([]);
    await redis.set('tenant_7_text_chunks:0', 'changed by the application since');
    await redis.del('tenant_7_text_chunks:1');
    expect((await run(['resume', String(done.json().runId)])).code).toBe(0);
    expect(await missing()).toHaveLength(2);
    expect((await run(['status'])).code).toBe(0);
  });

  it('that fails can be given again', async () => {
    const { killed, run, proxy, missing } = await begin();
    await killed();
    await proxy.refuse(true);
    const failed = await run(['resume', '--json', '--connect-timeout', '0.5']);
    expect([4, 5]).toContain(failed.code);
    expect((await run(['status'])).code).toBe(2);
    await proxy.refuse(false);
    expect((await run(['resume'])).code).toBe(0);
    expect(await missing()).toEqual([]);
  });

  it('a damaged run of other tenants stops no other move; one of the same tenants does', async () => {
    const { killed, run, redis, flags, moveWords } = await begin();
    const id = await killed();
    edit(join(folderOf(id), 'journal.ndjson'), (text) => text.replace('"at":1', '"at":2'));
    await redis.set('other_text_chunks:1', 'x');
    const other = await run(['other', 'tenant_other', ...flags]);
    expect(other.stderr + other.stdout).not.toContain('damaged');
    expect(other.code).toBe(0);
    for (const words of [moveWords(), ['acme', 'tenant_8', ...flags], ['someone', 'tenant_7', ...flags]]) {
      const refused = await run(words);
      expect([words, refused.code]).toEqual([words, 5]);
    }
  });

  it('keeps what the stored plan decided', async () => {
    const { killedOf, run, redis, flags, missing } = await begin();
    await redis.set('tenant_7_text_chunks:own', 'of the target');
    const planned = await run([
      'plan',
      'acme',
      'tenant_7',
      ...flags,
      '--merge',
      '--batch-size',
      '2',
      '--verify',
      'full',
      '--out',
      'plan.json',
    ]);
    expect(planned.code).toBe(0);
    const id = await killedOf(['apply', 'plan.json', ...flags]);
    const record = JSON.parse(readFileSync(join(folderOf(id), 'run.json'), 'utf8'));
    expect(record.settings).toMatchObject({ merge: true, 'batch-size': '2', verify: 'full' });
    expect((await run(['resume'])).code).toBe(0);
    expect(await missing()).toEqual(['new: redis tenant_7_text_chunks:own']);
  });
});

describe('status', () => {
  it('tells of a run from another process what it does, what became of it, and what to type', async () => {
    const world = await startRedisRun({ keys: 1_500 });
    try {
      world.proxy.setLatency(60);
      const process = world.start(world.moveWords());
      await until(async () => (await world.count('tenant_7')) > 20, process);
      await until(async () => {
        const running = await world.run(['status', '--json']);
        expect(running.code).toBe(2);
        expect(running.json()).toMatchObject({
          schema: 'tenant-migrate/status@1',
          state: 'running',
          phase: 'apply',
          next: [],
        });
        const { stages, perSecond, etaMs } = running.json();
        const [row] = stages as { name: string; moved: number; total: number }[];
        expect(row).toMatchObject({ name: 'redis', total: 1_500 });
        if (row?.moved === 0 || perSecond === undefined) return false;
        expect(row?.moved).toBeLessThan(1_500);
        expect(perSecond).toBeGreaterThan(0);
        expect(etaMs).toBeGreaterThan(0);
        return true;
      }, process);
      const text = (await world.run(['status'])).stdout;
      expect(text).toMatch(/running, unfinished\n[\s\S]*process \d+ on \S+ \(move\)\n {2}at: apply redis/);
      process.kill('SIGKILL');
      await process.ended;
      world.proxy.setLatency(0);
      const interrupted = await world.run(['status', '--json']);
      expect(interrupted.code).toBe(2);
      const id = runIds(world.stateDir)[0] ?? '';
      expect(interrupted.json()).toMatchObject({
        id,
        state: 'interrupted',
        next: [`tenant-migrate resume ${id}`, `tenant-migrate rollback ${id}`],
      });
      expect((await world.run(['resume', '--batch-size', '500'])).code).toBe(0);
      const done = await world.run(['status', '--json']);
      expect(done.code).toBe(0);
      expect(done.json()).toMatchObject({ id, state: 'done', unfinished: false, settled: ['redis'], next: [] });
    } finally {
      await world.stop();
    }
  });
});

/** A whole journal of one line whose first entry is another's, with the right checksum. */
async function foreign(change: (first: Record<string, unknown>) => object): Promise<(text: string) => string> {
  const { crc32 } = await import('node:zlib');
  return (text) => {
    const first = JSON.parse((text.split('\n')[0] ?? '').slice(9)) as Record<string, unknown>;
    const line = JSON.stringify(change(first));
    return `${crc32(line).toString(16).padStart(8, '0')} ${line}\n`;
  };
}
