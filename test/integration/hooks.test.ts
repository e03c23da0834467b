import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { recordedHook } from '../../src/cli/settings/hook-settings.ts';
import { parseHook } from '../../src/hooks/hook-spec.ts';
import { HOOK_EVENTS, type HookCall } from '../../src/report/hook-call.ts';
import { type RedisRun, startRedisRun, until } from '../support/redis-run.ts';

/** A hook that notes what it was told, and then fails where a file of its event's name says how. */
const SCRIPT = `
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
const [folder, word] = process.argv.slice(2);
const event = process.env.TENANT_MIGRATE_HOOK_EVENT;
let text = '';
for await (const chunk of process.stdin) text += chunk;
const names = Object.keys(process.env);
appendFileSync(folder + '/calls', JSON.stringify({ call: JSON.parse(text), word, names, source: process.env.TENANT_MIGRATE_HOOK_SOURCE }) + '\\n');
console.log('said by ' + event + '\\u001b[2J');
const how = folder + '/fail-' + event;
if (existsSync(how)) {
  const code = readFileSync(how, 'utf8');
  if (code === 'hang') {
    process.on('SIGTERM', () => {});
    const child = spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)'], { stdio: 'inherit' });
    appendFileSync(folder + '/pids', process.pid + ' ' + child.pid + ' ');
    await new Promise(() => setInterval(() => {}, 1000));
  }
  process.exit(Number(code));
}
`;

interface Noted {
  readonly call: HookCall;
  readonly names: readonly string[];
  readonly word: string;
  readonly source: string;
}

let world: RedisRun;
let folder: string;
let server: Server;
let posted: { readonly call: HookCall; readonly token: string | undefined }[];

beforeEach(async () => {
  world = await startRedisRun();
  folder = mkdtempSync(join(tmpdir(), 'tenant-migrate-hooks-'));
  writeFileSync(join(folder, 'hook.mjs'), SCRIPT);
  posted = [];
  server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    posted.push({ call: JSON.parse(text) as HookCall, token: request.headers.authorization });
    response.statusCode = existsSync(join(folder, 'refuse')) ? 409 : 204;
    response.end('the writers are not ready');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  server.close();
  await world.stop();
});

function flagsFor(events: readonly string[] = HOOK_EVENTS): readonly string[] {
  const words = JSON.stringify([process.execPath, join(folder, 'hook.mjs'), folder, "a b; $(touch 'x')"]);
  return events.flatMap((event) => ['--hook', `${event}=${words}`]);
}

function noted(): readonly Noted[] {
  const path = join(folder, 'calls');
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  rmSync(path);
  return lines.map((line) => JSON.parse(line) as Noted);
}

const eventsOf = (calls: readonly { readonly call: HookCall }[]) => calls.map(({ call }) => call.event);
const fail = (event: string, how: string) => writeFileSync(join(folder, `fail-${event}`), how);
const letPass = (event: string) => rmSync(join(folder, `fail-${event}`));
const address = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;

describe('hooks', () => {
  it('are called in order with the run’s numbers, without our secrets, and are no danger whatever a tenant is called', async () => {
    const target = `x'; $(touch pwned) "ü`;
    const env = { PATH: process.env.PATH ?? '', QDRANT_API_KEY: 's3cret', API_TOKEN_FILE: '/nowhere', HOME: '/h' };
    const secrets = { ...env, API_TOKEN_FILE: join(folder, 'token'), TENANT_MIGRATE_HOOK_TOKEN: 'tok' };
    writeFileSync(secrets.API_TOKEN_FILE, 's3cret');
    const url = ['--hook', `after-stage=${address()}`, '--hook', `after-run=${address()}`];
    const words = ['move', 'acme', target, ...world.flags, '--json', ...flagsFor(), ...url];
    const { code, stderr, stdout, json } = await world.run(words, { env: secrets });
    expect(code, stderr).toBe(0);
    const calls = noted();
    expect(eventsOf(calls)).toEqual(['before-plan', 'before-stage', 'after-stage', 'before-finalize', 'after-run']);
    const { runId } = json() as { runId: string };
    for (const { call, names, word, source } of calls) {
      expect(call).toMatchObject({ schema: 'tenant-migrate/hook@1', runId, command: 'move', wave: null });
      expect(call.moves).toEqual([{ source: 'acme', target }]);
      expect(source).toBe('acme');
      expect(word).toBe("a b; $(touch 'x')");
      expect(names).toContain('HOME');
      expect(names.filter((name) => /API_KEY|TOKEN|PASSWORD/.test(name))).toEqual([]);
    }
    expect(calls[1]?.call).toMatchObject({ stage: 'redis', phase: 'apply', outcome: null });
    expect(calls[2]?.call.stages[1]).toMatchObject({ name: 'redis', found: 200, moved: 200, failed: 0 });
    const end = calls[4]?.call;
    expect(end).toMatchObject({ outcome: 'done', exitCode: 0, report: expect.stringContaining(runId) });
    expect(JSON.parse(readFileSync(join(world.cwd, end?.report ?? ''), 'utf8'))).toMatchObject({ outcome: 'done' });
    expect(eventsOf(posted)).toEqual(['after-stage', 'after-run']);
    expect(posted[0]).toMatchObject({ token: 'Bearer tok', call: { event: 'after-stage', stage: 'redis' } });
    expect(stderr).toContain('hook before-plan (node): said by before-plan\\x1b[2J');
    expect(stderr + stdout).not.toMatch(/s3cret|Bearer/);
    expect(existsSync(join(world.cwd, 'pwned'))).toBe(false);
  });

  it('refuse at every point: before the first write nothing is changed, later the run can be resumed or taken back', async () => {
    fail('before-plan', '7');
    const first = await world.run(world.moveWords([...flagsFor(), '--json']));
    expect(first.code).toBe(5);
    expect(first.json()).toMatchObject({
      outcome: 'refused',
      error: expect.stringMatching(/exit 7: said by before-plan/),
    });
    // What before-plan closed can be opened again.
    expect(eventsOf(noted())).toEqual(['before-plan', 'on-failure', 'after-run']);
    letPass('before-plan');

    fail('before-stage', '1');
    const stage = await world.run(world.moveWords([...flagsFor(), '--json']));
    expect(stage.code).toBe(5);
    expect(await world.changed()).toEqual([]);
    letPass('before-stage');
    noted();

    fail('before-finalize', '1');
    const undone = await world.run(world.moveWords([...flagsFor(), '--auto-rollback', '--json']));
    expect(undone.code).toBe(3);
    expect(await world.changed()).toEqual([]);
    const undo = ['before-plan', 'before-stage', 'after-stage', 'before-finalize', 'before-stage', 'after-stage'];
    const calls = noted();
    expect(eventsOf(calls)).toEqual([...undo, 'on-failure', 'after-run']);
    expect(calls[4]?.call).toMatchObject({ stage: 'redis', phase: 'undo', command: 'rollback' });
    expect(calls[6]?.call).toMatchObject({ outcome: 'undone', exitCode: 3 });
    letPass('before-finalize');

    writeFileSync(join(folder, 'refuse'), '');
    const after = await world.run(world.moveWords(['--hook', `after-stage=${address()}`, '--json']));
    expect(after.code).toBe(4);
    expect(after.json()).toMatchObject({
      outcome: 'failed',
      error: expect.stringContaining('status 409: the writers are not ready'),
    });
    // The record holds the hook.
    expect((await world.run(['resume'])).code).toBe(4);
    const skipped = await world.run(['resume', '--skip-hooks']);
    expect(skipped.stderr).toContain('no hook is called');
    expect(skipped.code).toBe(0);
    expect(await world.missing()).toEqual([]);
  });

  it('that fail after the end change the exit code, not what is true; a rollback calls them, a dry run does not', async () => {
    fail('after-run', '3');
    const dry = await world.run(world.moveWords([...flagsFor(), '--dry-run']));
    expect(dry.code).toBe(0);
    expect(dry.stderr).toContain('a dry run calls no hook');
    expect(noted()).toEqual([]);
    const moved = await world.run(world.moveWords([...flagsFor(), '--json']));
    expect(moved.code).toBe(1);
    expect(moved.json()).toMatchObject({ outcome: 'done', exitCode: 1, error: expect.stringContaining('after-run') });
    const status = await world.run(['status', '--json']);
    expect(status.json()).toMatchObject({ state: 'done', unfinished: false });
    letPass('after-run');
    noted();
    const id = (moved.json() as { runId: string }).runId;
    const back = await world.run(['rollback', id, '--json'], { cwd: folder, env: {} }).then(async (elsewhere) => {
      expect(elsewhere.code).toBe(64);
      return world.run(['rollback', id, '--json']);
    });
    expect(back.code).toBe(0);
    expect(eventsOf(noted())).toEqual(['before-plan', 'before-stage', 'after-stage', 'after-run']);
  });

  it('of a list are called once around all waves, and for the stages of each', async () => {
    writeFileSync(join(world.cwd, 'list.csv'), 'source,target\nacme,tenant_7\nacme_eu,acme\n');
    const words = ['move', '--map', join(world.cwd, 'list.csv'), ...world.flags, '--json', ...flagsFor()];
    const moved = await world.run(words);
    expect(moved.code, moved.stderr).toBe(0);
    const calls = noted();
    const wave = ['before-stage', 'after-stage', 'before-finalize'];
    expect(eventsOf(calls)).toEqual(['before-plan', ...wave, ...wave, 'after-run']);
    expect(calls.map(({ call }) => call.wave?.wave ?? null)).toEqual([null, 1, 1, 1, 2, 2, 2, null]);
    expect(calls[0]?.call.runId).toBe(calls[7]?.call.runId);
    expect(existsSync(join(world.cwd, calls[7]?.call.report ?? ''))).toBe(true);
    expect((await world.run(['rollback', calls[0]?.call.runId ?? '', '--json'])).code).toBe(0);
    expect(eventsOf(noted())).toEqual(['before-plan', ...wave.slice(0, 2), ...wave.slice(0, 2), 'after-run']);
    expect(await world.changed()).toEqual([]);
  });

  it('that take too long end with all that they began; Ctrl-C ends one at once', async () => {
    fail('before-plan', 'hang');
    const words = world.moveWords([...flagsFor(['before-plan']), '--hook-timeout', '1', '--json']);
    const { code, json } = await world.run(words);
    expect(code).toBe(5);
    expect(json().error).toContain('it took longer than 1 s');
    const isGone = (pid: number) => {
      try {
        process.kill(pid, 0);
        return false;
      } catch {
        return true;
      }
    };
    const pids = () => readFileSync(join(folder, 'pids'), 'utf8').trim().split(' ').map(Number);
    await until(() => pids().every(isGone));
    rmSync(join(folder, 'pids'));
    const process2 = world.start(world.moveWords([...flagsFor(['before-plan']), '--json']));
    await until(() => existsSync(join(folder, 'pids')), process2);
    process2.kill('SIGINT');
    const stopped = await process2.ended;
    expect(stopped.code).toBe(130);
    await until(() => pids().every(isGone));
    expect(await world.changed()).toEqual([]);
  });

  it('are refused where they would not do what they look like, or show a secret', () => {
    const read = (text: string) => parseHook(text, HOOK_EVENTS);
    expect(read('before-plan=./a  b -c')).toMatchObject({ words: ['./a', 'b', '-c'], name: 'a' });
    expect(read('after-run=["./a b","$x"]')).toMatchObject({ words: ['./a b', '$x'] });
    for (const [text, why] of [
      ['before-all=./a', /must begin with one of before-plan=/],
      ['./a', /must begin with/],
      ['before-plan=', /names no program/],
      ['before-plan=./a | b', /no shell reads/],
      ["before-plan=./a 'b c'", /JSON array/],
      ['before-plan=["./a", 1]', /not a JSON array of texts/],
      ['after-run=https://me:pw@host/x', /HOOK_TOKEN/],
    ] as const) {
      expect(read(text), text).toMatch(why);
    }
    // Resumed from another folder, a run finds the same program.
    expect(recordedHook('before-plan=./a b')).toBe(`before-plan=${JSON.stringify([resolve('a'), 'b'])}`);
    expect(recordedHook('before-plan=kubectl x')).toBe('before-plan=["kubectl","x"]');
  });
});
