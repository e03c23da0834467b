import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RedisServer } from '../../scripts/services/redis.ts';
import { type CliResult, runHere } from '../support/cli.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { freshRedis } from '../support/redis-server.ts';

/** Every id that a shell, a browser, a sheet, a CI, a chat or a terminal could take for something else. */
const NAMES = [
  `<img src=x onerror="alert(1)"></td></style>`,
  `=cmd|'/C calc'!A0`,
  '+1-1"@x,',
  '##[add-mask]stop %3A%3A',
  '<!channel> <@U1> *b* `c`',
  '$(touch pwned);`touch pwned`&&touch pwned|"\'',
  'a\u202egnp.\u200f\u2066x\ufeff',
  '{} %s %0A ${HOME} ../../etc/passwd',
  'ü'.repeat(127),
] as const;

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
/** Controls and marks that change how the rest of a line is read; ours on a terminal are line ends alone. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const HARMFUL = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;

describe('tenants of hostile names', () => {
  let redis: RedisServer;
  let web: Receiver;
  let flags: readonly string[];
  const cwd = mkdtempSync(join(tmpdir(), 'tenant-migrate-hostile-'));
  const list = join(cwd, 'list.csv');
  const run = (words: readonly string[], env: Record<string, string> = {}): Promise<CliResult> =>
    runHere(words, { cwd, env });
  const read = (name: string) => readFileSync(join(cwd, name), 'utf8');
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  const writeList = (turn: (name: string, index: number) => readonly [string, string]) =>
    writeFileSync(list, ['source,target', ...NAMES.map((name, n) => turn(name, n).map(quoted).join(','))].join('\n'));

  beforeAll(async () => {
    [redis, web] = await Promise.all([freshRedis(), startReceiver()]);
    flags = ['--only', 'redis', '--redis-url', redis.url];
    const client = new Redis(redis.url);
    for (const name of NAMES) {
      await client.set(`${name}_text_chunks:\u001b]0;title\u0007<b>`, 'value');
      await client.set(`other:${name}\u001b[31m<script>`, 'unclaimed');
    }
    client.disconnect();
  });
  afterAll(() => Promise.all([redis.stop(), web.close()]));

  it('are planned, moved, told of and taken back, and harm neither terminal, page, sheet, CI, metrics, chat nor shell', async () => {
    writeList((name, n) => [name, `to_${n}`]);
    writeFileSync(join(cwd, 'hook.sh'), '#!/bin/sh\ncat >> calls\nenv >> calls\nprintf "\\033[2J%s" "$1"\n', {
      mode: 0o755,
    });
    const env = { WEBHOOK_URL: `${web.url}/hook`, SLACK_WEBHOOK_URL: `${web.url}/slack`, GITHUB_ACTIONS: 'true' };
    const summary = join(cwd, 'summary.md');
    const hooks = ['before-stage', 'after-run'].flatMap((at) => ['--hook', `${at}=${join(cwd, 'hook.sh')}`]);
    const watched = [
      ...[
        '--metrics-file',
        join(cwd, 'run.prom'),
        '--log-file',
        join(cwd, 'run.log'),
        '--report-dir',
        join(cwd, 'out'),
      ],
      ...['--notify', 'webhook,slack', '--notify-on', 'start,finish,rollback', ...hooks],
    ];
    const said: CliResult[] = [await run(['plan', '--map', list, ...flags], env)];
    const moved = await run(['move', '--map', list, ...flags, ...watched, '--verbose'], {
      ...env,
      GITHUB_STEP_SUMMARY: summary,
    });
    expect(moved.code, moved.stderr).toBe(0);
    said.push(
      moved,
      await run(['status'], env),
      await run(['runs'], env),
      await run(['report', '--format', 'text'], env),
    );
    said.push(
      await run(
        ['rollback', ...watched, '--log-format', 'json', readdirSync(join(cwd, '.tenant-migrate/runs')).join('')],
        env,
      ),
    );
    // One of them as a single move: names stand in metrics, hooks' variables and titles only there.
    for (const [index, name] of NAMES.entries()) {
      const one = await run([name, `back_${index}`, ...flags, ...(index < 4 ? watched : []), '--yes'], env);
      expect(`${name} ${one.code}`).toBe(`${name} 0`);
      said.push(one);
      if (index < 4 && hasPromtool)
        execFileSync('promtool', ['check', 'metrics'], { input: read('run.prom'), stdio: ['pipe', 'pipe', 'pipe'] });
      if (index < 4) {
        const label = name.replaceAll('\\', '\\\\').replaceAll('"', '\\"');
        expect(read('run.prom')).toContain(`source="${label}"`);
      }
    }

    for (const { code, stdout, stderr } of said) {
      expect([0, 2]).toContain(code);
      expect(stdout + stderr).not.toMatch(HARMFUL);
      expect(stdout + stderr).not.toMatch(/##\[|^\s*::(?!(error|notice|warning) title=)/m);
    }
    const log = read('run.log');
    expect(log).not.toMatch(HARMFUL);
    for (const line of log.trimEnd().split('\n')) JSON.parse(line);
    for (const name of ['out', `.tenant-migrate/runs/${map()}`]) {
      const page = read(`${name}/report.html`);
      expect(page).not.toMatch(/<(img|script)|onerror="/);
      expect(page).not.toMatch(HARMFUL);
    }
    // Between backticks a name is shown letter by letter.
    const beside = read('summary.md').replace(/(?<!`)(`+)(?!`)(.*?[^`])\1(?!`)/g, '');
    expect(beside).not.toMatch(/<(img|script|!channel)|@|`/);
    expect(beside).toContain('tenants');
    expect(read('summary.md')).not.toMatch(HARMFUL);
    for (const { path, body } of web.received) {
      JSON.parse(body);
      if (path === '/slack') expect(body).not.toMatch(/<|[^\\]>/);
    }
    expect(web.received.length).toBeGreaterThan(8);
    expect(read('calls')).toContain('TENANT_MIGRATE_HOOK_SOURCE=+1-1"@x,');
    for (const place of [cwd, process.cwd()]) expect(existsSync(join(place, 'pwned'))).toBe(false);

    const csv = await run(['report', map(), '--format', 'csv'], env);
    expect(csv.stdout).not.toMatch(/(^|,)"?[=+@-]/m);
    expect(csv.stdout).toContain(`'=cmd|`);
  });

  it('with control characters are refused before anything, and the refusal is harmless itself', async () => {
    for (const name of ['\u001b[31mred', 'a\nb', '\u009b2J', 'nul\u007f']) {
      const { code, stderr, stdout } = await run([name, 'b', ...flags]);
      expect(code).toBe(64);
      expect(stderr).toMatch(/source tenant id '.*' holds a control character/);
      expect(stdout + stderr).not.toMatch(HARMFUL);
    }
    const command = await run(['::error::stop', 'b', ...flags], { GITHUB_ACTIONS: 'true' });
    expect(command.code).toBe(64);
    expect(command.stdout + command.stderr).not.toMatch(/^\s*::error::/m);
    writeFileSync(list, 'source,target\n"a\u001b[2J",b\n');
    const listed = await run(['plan', '--map', list, ...flags]);
    expect(listed.code).toBe(64);
    expect(listed.stderr).toMatch(/list\.csv:2:1: .*control character/);
    expect(listed.stderr).not.toMatch(HARMFUL);
  });

  /** The run of the list: the others move one tenant each, some of them within the same second. */
  const map = () => {
    const runs = join(cwd, '.tenant-migrate/runs');
    const movesOf = (id: string) => JSON.parse(readFileSync(join(runs, id, 'run.json'), 'utf8')).moves as unknown[];
    return readdirSync(runs).find((id) => movesOf(id).length > 1) ?? '';
  };
});
