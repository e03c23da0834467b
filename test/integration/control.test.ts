import { readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RedisRun, runIds, startRedisRun, type UnderWay, until } from '../support/redis-run.ts';

let world: RedisRun;

beforeEach(async () => {
  world = await startRedisRun();
});
afterEach(() => world.stop());

const control = (...words: readonly string[]) => world.run(['control', ...words]);
const socketOf = (id: string) => join(world.stateDir, 'runs', id, 'control.sock');

/** A move that is held in its middle. */
async function held(): Promise<{ process: UnderWay; id: string }> {
  const process = await world.hold(world.moveWords(['--json']));
  return { process, id: runIds(world.stateDir)[0] ?? '' };
}

async function letGo(process: UnderWay, said: string): Promise<void> {
  world.proxy.hang(false);
  await until(() => process.stderr().includes(said), process);
}

/** What comes back for this text, until the other end says no more for a while. */
function say(path: string, text: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.write(text));
    let said = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk;
      if (said.endsWith('\n')) socket.end();
    });
    socket.on('error', reject).on('close', () => resolve(said));
  });
}

describe('control', () => {
  it('shows, pauses and resumes a run from another process; both ends and the journal tell', async () => {
    const { process, id } = await held();
    const seen = await control('status', '--json');
    expect(seen.code).toBe(0);
    expect(seen.json()).toMatchObject({
      schema: 'tenant-migrate/control@1',
      run: id,
      command: 'move',
      phase: 'apply',
      stage: 'redis',
      stages: [{ name: 'redis', total: 200, unit: 'keys' }],
      throttle: { level: 'go' },
    });
    expect(statSync(socketOf(id)).mode & 0o777).toBe(0o600);
    expect((await control(id.slice(0, -2), 'pause')).stdout).toMatch(/it pauses before its next batch/);
    await letGo(process, 'paused: by tenant-migrate control');
    await sleep(100);
    const moved = await world.count('tenant_7');
    await sleep(300);
    expect(await world.count('tenant_7')).toBe(moved);
    expect((await control('status')).stdout).toMatch(
      /paused for .*by tenant-migrate control.*\n.*process \d+ \(move\)/s,
    );
    const status = await world.run(['status', '--json']);
    expect(status.json()).toMatchObject({ state: 'paused', heldBack: expect.stringMatching(/^paused: by/), next: [] });
    expect((await control('resume')).stdout).toMatch(/it goes on/);
    const { code, stderr } = await process.ended;
    expect(stderr).toMatch(/goes on after \d+ s/);
    expect(code).toBe(0);
    expect(await world.missing()).toEqual([]);
    const journal = readFileSync(join(world.stateDir, 'runs', id, 'journal.ndjson'), 'utf8');
    expect(journal.match(/"type":"note","text":"(paused|goes on)/g)).toHaveLength(2);
    expect(() => statSync(socketOf(id))).toThrow(/ENOENT/);
    const late = await control(id, 'status');
    expect([late.code, late.stderr]).toEqual([5, expect.stringMatching(/nobody is at work on .*its state is done/)]);
    expect((await control('pause')).code).toBe(5);
  });

  it('answers hostile requests with an error, many at once, and the run goes on', async () => {
    const { process, id } = await held();
    await control('pause');
    const path = socketOf(id);
    const hostile: readonly (string | Buffer)[] = [
      '\n',
      'status\n',
      '[]\n',
      'null\n',
      '{"v":2,"do":"status"}\n',
      '{"v":1,"do":"__proto__"}\n',
      '{"v":1,"do":"rate","rate":7}\n',
      `{"v":1,"do":"rate","rate":"${'9'.repeat(300)}"}\n`,
      `{"v":1,"do":"${'x'.repeat(5_000)}"}\n`,
      'x'.repeat(100_000),
      Buffer.from([0xff, 0xfe, 0x0a]),
    ];
    const answers = await Promise.all([...hostile, ...hostile, ...hostile].map((text) => say(path, text)));
    for (const answer of answers) expect(JSON.parse(answer.split('\n')[0] ?? '')).toMatchObject({ v: 1, ok: false });
    const half = connect(path, () => half.write('{"v":1,'));
    const both = await say(path, '{"v":1,"do":"status"}\n{"v":1,"do":"nothing"}\n');
    expect(both).toMatch(/^\{"v":1,"ok":true/);
    half.destroy();
    for (const words of [['control'], ['control', 'faster'], ['control', id, 'rate=']]) {
      expect((await world.run(words)).code).toBe(64);
    }
    await control('resume');
    world.proxy.hang(false);
    expect((await process.ended).code).toBe(0);
    expect(await world.missing()).toEqual([]);
  });

  it('abort stops a run as Ctrl-C does, also one that is paused; a rollback is steered as well', async () => {
    const { process, id } = await held();
    await control('pause');
    await letGo(process, 'paused: by');
    expect((await control('abort')).stdout).toMatch(/finishes what is under way/);
    const stopped = await process.ended;
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toContain('control abort: finishing what is under way');
    expect(stopped.stderr + stopped.stdout).not.toContain('SIGINT');
    expect(stopped.json()).toMatchObject({ outcome: 'stopped', next: `tenant-migrate resume ${id}` });
    expect((await world.run(['resume'])).code).toBe(0);
    const back = await world.holdBack(['rollback', id]);
    expect((await control('pause')).code).toBe(0);
    await letGo(back, 'paused: by');
    expect((await control('status', '--json')).json()).toMatchObject({ run: id, command: 'rollback', phase: 'undo' });
    await control('resume');
    expect((await back.ended).code).toBe(0);
    expect(await world.changed()).toEqual([]);
  });
});
