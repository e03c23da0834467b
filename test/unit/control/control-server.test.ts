import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { askControl } from '../../../src/control/control-client.ts';
import type { ControlAnswer } from '../../../src/control/control-protocol.ts';
import { type Act, ControlServer } from '../../../src/control/control-server.ts';

let folder: string;
let opened: ControlServer[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tenant-migrate-control-'));
  opened = [];
});
afterEach(() => {
  for (const server of opened) server.close();
});

const act: Act = async (action) => said(action.do);

function said(text: string): ControlAnswer {
  const throttle = { level: 'go', reason: '', ms: 0 } as const;
  const at = { phase: null, stage: null, stages: [], throttle, rate: null };
  return { v: 1, ok: true, text, status: { run: 'r', command: 'move', pid: 1, ...at } };
}

async function open(at = folder): Promise<ControlServer | string> {
  const server = await ControlServer.open(at, act);
  if (typeof server !== 'string') opened.push(server);
  return server;
}

const socket = () => join(folder, 'control.sock');
const ask = (at = folder) => askControl(at, { do: 'pause' });

describe('the control socket', () => {
  test('is the owner’s only, answers, and is gone once it is closed', async () => {
    const server = await open();
    expect(lstatSync(socket()).mode & 0o777).toBe(0o600);
    expect(await ask()).toMatchObject({ ok: true, text: 'pause' });
    if (typeof server === 'string') throw new Error(server);
    server.close();
    expect(existsSync(socket())).toBe(false);
    expect(await ask()).toBeUndefined();
    const second = await open();
    if (typeof second === 'string') throw new Error(second);
    // Closed once more, the first takes nothing away from it.
    server.close();
    expect(await ask()).toMatchObject({ ok: true });
  });

  test('of a process that is gone is replaced, a live one is not', async () => {
    // Ended by a signal, so that it leaves its socket behind.
    const script = "require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))";
    spawnSync(process.execPath, ['-e', script, socket()]);
    expect(lstatSync(socket()).isSocket()).toBe(true);
    expect(await ask()).toBeUndefined();
    const first = await open();
    expect(first).toBeInstanceOf(ControlServer);
    expect(await open()).toMatch(/another process answers/);
    expect(await ask()).toMatchObject({ ok: true });
  });

  test('takes the place of nothing else: no link, no file', async () => {
    const elsewhere = join(folder, 'elsewhere');
    writeFileSync(elsewhere, 'kept');
    symlinkSync(elsewhere, socket());
    expect(await open()).toMatch(/is not a socket/);
    await expect(ask()).rejects.toMatchObject({ code: 'refused', message: expect.stringMatching(/is not a socket/) });
    expect(lstatSync(socket()).isSymbolicLink()).toBe(true);
  });

  test('is not opened in a folder that others may enter, nor in a link to one', async () => {
    chmodSync(folder, 0o755);
    expect(await open()).toMatch(/open to other users/);
    const link = join(mkdtempSync(join(tmpdir(), 'tenant-migrate-control-')), 'link');
    symlinkSync(folder, link);
    expect(await open(link)).toMatch(/is not a folder/);
  });

  test('has a path of any length, and leaves nothing beside it', async () => {
    const deep = join(folder, 'a'.repeat(120), 'b'.repeat(120));
    mkdirSync(deep, { recursive: true, mode: 0o700 });
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith('tm-'));
    const server = await open(deep);
    expect(server).toBeInstanceOf(ControlServer);
    expect(await ask(deep)).toMatchObject({ ok: true });
    expect(readdirSync(deep)).toEqual(['control.sock']);
    opened.pop()?.close();
    expect(readdirSync(deep)).toEqual([]);
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith('tm-') && !before.includes(name))).toEqual([]);
  });
});
