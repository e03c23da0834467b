import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RedisRun, startRedisRun, until } from '../support/redis-run.ts';
import { runInTerminal, type TerminalRun } from '../support/terminal/run-in-terminal.ts';
import { screenOf } from '../support/terminal/screen.ts';

let world: RedisRun;

beforeAll(async () => {
  world = await startRedisRun({ keys: 400 });
  world.proxy.setLatency(5);
});
afterAll(() => world.stop());

const SPINNERS = /[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]/;
const NAMES = ['acme', '顧客_🦊👨‍👩‍👧_e\u0301tat_顧客顧客顧客顧客顧客', "x'; $(id) ##[error]a", 'acme'];

/** The next name: each move takes the tenant on to where the one after it begins. */
let at = 0;
function moveOn(columns: number, env: Record<string, string> = {}, more: readonly string[] = []): TerminalRun {
  const [source = '', target = ''] = [NAMES[at % 3], NAMES[(at % 3) + 1]];
  at += 1;
  return runInTerminal(['move', source, target, ...world.flags, '--batch-size', '2', '--yes', ...more], {
    columns,
    cwd: world.cwd,
    env,
  });
}

describe('a move in a terminal', () => {
  for (const columns of [40, 80, 200]) {
    it(`draws one block that leaves nothing behind, ${columns} columns wide`, async () => {
      const run = moveOn(columns);
      expect(await run.ended, run.output()).toBe(0);
      const screen = screenOf(run.output(), columns);
      const text = screen.rows.join('\n');
      for (const line of [/^✔ Redis: /gm, /^✔ Verify/gm, /^✔ Finalize/gm])
        expect(text.match(line), text).toHaveLength(1);
      expect(text).not.toMatch(SPINNERS);
      expect(text).not.toContain('Planning');
      expect(screen).toMatchObject({ wraps: true, cursorShown: true, column: 0 });
      expect(run.output()).toMatch(SPINNERS);
      expect(run.output()).toMatch(/[1-9]\d?% /);
      expect(run.output()).not.toContain('100%');
      // What the block draws fits by its own reckoning, whatever the terminal would have cut off.
      expect(screen.cutOff).toBe(0);
    });
  }

  it('ends a block that Ctrl-C stops, and leaves the terminal as it was', async () => {
    const run = moveOn(80, { NO_COLOR: '1' });
    await until(() => /\d% /.test(run.output()));
    run.type('\x03');
    expect(await run.ended).toBe(130);
    const screen = screenOf(run.output(), 80);
    const text = screen.rows.join('\n');
    expect(text).toContain('SIGINT: finishing what is under way, then stopping');
    expect(text).toMatch(/^✖ Redis: .* (stopped|failed)$/m);
    expect(text).not.toMatch(SPINNERS);
    expect(screen).toMatchObject({ wraps: true, cursorShown: true, column: 0, cutOff: 0 });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a colour is what must not be there
    expect(run.output()).not.toMatch(/\x1b\[[\d;]*m/);
    at -= 1;
  });

  it('writes no control sequence to a dumb terminal', async () => {
    const run = moveOn(80, { TERM: 'dumb' });
    expect(await run.ended).toBe(0);
    expect(run.output()).toContain('Migrating Redis keys');
    expect(run.output()).not.toContain('\x1b');
  });
});
