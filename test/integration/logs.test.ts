import { readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RedisRun, startRedisRun } from '../support/redis-run.ts';

let world: RedisRun;

beforeAll(async () => {
  world = await startRedisRun();
});
afterAll(() => world.stop());

type Line = Readonly<Record<string, unknown>>;

function linesOf(text: string): readonly Line[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

describe('logs', () => {
  it('--log-format json writes nothing but JSON lines to stderr, and --log-file the same to a file of its owner', async () => {
    const file = join(world.cwd, 'log.ndjson');
    const { code, stderr, json } = await world.run([
      ...world.moveWords(['--json', '--log-format', 'json']),
      '--log-file',
      file,
    ]);
    expect(code).toBe(0);
    const report = json();
    const told = linesOf(stderr);
    expect(told.map(({ event }) => event)).toEqual(expect.arrayContaining(['run-started', 'planned', 'total']));
    expect(told.at(-1)).toMatchObject({ event: 'run-finished', level: 'info', outcome: 'done', exit_code: 0 });
    for (const line of told) expect(line).toMatchObject({ run: report.runId, level: expect.any(String) });
    const events = (lines: readonly Line[]) => lines.map(({ event }) => event).filter((event) => event !== 'progress');
    expect(events(linesOf(readFileSync(file, 'utf8')))).toEqual(events(told));
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const link = join(world.cwd, 'link.ndjson');
    symlinkSync(file, link);
    const refused = await world.run(['verify', 'acme', 'tenant_7', ...world.flags, '--log-file', link]);
    expect(refused.code).toBe(64);
    expect(refused.stderr).toContain('it is a symbolic link');
  });

  it('a mistake in the command line is a JSON line too, where JSON was asked for', async () => {
    for (const [words, env] of [
      [['move', 'only-one', '--log-format=json'], {}],
      [['move', 'a', 'b', '--no-such-flag'], { TENANT_MIGRATE_LOG_FORMAT: 'json' }],
    ] as const) {
      const { code, stderr, stdout } = await world.run(words, { env });
      expect(code).toBe(64);
      expect(stdout).toBe('');
      const [line, ...more] = linesOf(stderr);
      expect(more).toEqual([]);
      expect(line).toMatchObject({ level: 'error', run: null, event: 'error', code: 'usage', exit_code: 64 });
    }
  });

  it('in GitHub Actions a refusal is annotated, and no name can give a command', async () => {
    const env = { GITHUB_ACTIONS: 'true', CI: 'true' };
    const evil = '##[add-mask]a%0A';
    const { code, stderr, stdout, json } = await world.run(['verify', 'tenant_7', evil, ...world.flags, '--json'], {
      env,
    });
    expect(code, stderr).toBe(2);
    const commands = stderr.split('\n').filter((line) => line.trimStart().startsWith('::'));
    expect(commands[0]).toMatch(/^::error title=tenant-migrate%3A differences \(exit 2\)::/);
    expect(commands.every((line) => /^::(error|notice) title=/.test(line))).toBe(true);
    expect(stderr + stdout).not.toContain('##[');
    expect(stderr).toContain('#\\u0023[add-mask]a');
    expect(json().moves).toEqual([{ source: 'tenant_7', target: evil }]);
    const usage = await world.run(['move', 'a', 'b', '--only', '##[error]x'], { env });
    expect(usage.code).toBe(64);
    expect(usage.stderr).toMatch(/^::error title=tenant-migrate \(exit 64\)::/m);
  });
});
