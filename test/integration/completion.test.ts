import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { BASH } from '../../src/cli/completion/bash.ts';
import { FISH } from '../../src/cli/completion/fish.ts';
import { ZSH } from '../../src/cli/completion/zsh.ts';

const MAIN = join(import.meta.dirname, '../../dist/main.js');
const folder = mkdtempSync(join(tmpdir(), 'tenant-migrate-completion-'));
const PATH = `${join(folder, 'bin')}:${process.env.PATH}`;
const [FAILED, DONE] = ['20261121T130612-5db70b', '20261121T130613-5db70c'];

beforeAll(() => {
  mkdirSync(join(folder, 'bin'));
  writeFileSync(join(folder, 'bin/tenant-migrate'), `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
  chmodSync(join(folder, 'bin/tenant-migrate'), 0o755);
  for (const [id, state] of [
    [FAILED, 'failed'],
    [DONE, 'done'],
    // The shell would put these into the line as they are.
    ['20261121T130614-$(touch gone)', 'failed'],
    ['20261121T130615-5db70c\n:file', 'failed'],
  ]) {
    mkdirSync(join(folder, `.tenant-migrate/runs/${id}`), { recursive: true });
    const run = { state, moves: [{ source: '$(touch gone)\x1b[31m', target: 'a:b\n' }] };
    writeFileSync(join(folder, `.tenant-migrate/runs/${id}/run.json`), JSON.stringify(run));
  }
  mkdirSync(join(folder, '.tenant-migrate/backups/b-1'), { recursive: true });
  writeFileSync(join(folder, '.tenant-migrate/backups/b-1/manifest.json'), '{"tenant":"siraya"}');
  writeFileSync(join(folder, 'settings.yaml'), 'environments:\n  dev: {}\n  prod: {}\n');
  writeFileSync(join(folder, 'plan.json'), '{}');
});

/** What is typed, and what may come at the cursor. */
const CASES: readonly (readonly [typed: string, fits: readonly string[]])[] = [
  ['ba', ['backup']],
  ['backup ', ['create', 'list', 'verify', 'restore', 'extend', 'cleanup']],
  ['backup restore ', ['b-1']],
  ['rollback --from-backup ', ['b-1']],
  ['runs ', ['cleanup']],
  ['runs cleanup --d', ['--dry-run', '--days']],
  ['resume ', [FAILED]],
  ['status ', [DONE, FAILED]],
  ['status --state-dir elsewhere ', []],
  ['rollback 20261121T130612', [FAILED]],
  ['a b --dry', ['--dry-run']],
  ['a b --force', ['--force-unlock']],
  ['verify a b --force', []],
  ['--redis-mode ', ['auto', 'rename', 'copy']],
  ['--redis-mode=re', ['rename']],
  ['--only red', ['redis']],
  ['--config settings.yaml --env ', ['dev', 'prod']],
  ['apply pl', ['plan.json']],
  ['plan a b --out pl', ['plan.json']],
  ['--config=sett', ['settings.yaml']],
  ['completion ', ['bash', 'zsh', 'fish']],
  ['a ', []],
];

const has = (program: string) => spawnSync(program, ['--version']).error === undefined;

function run(program: string, args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(program, args, {
    cwd: folder,
    env: { PATH, HOME: folder, TERM: 'dumb' },
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return stdout;
}

describe('completion', () => {
  it('in bash offers what fits', () => {
    // As bash calls it, with words split at `=`.
    const call = ([typed]: (typeof CASES)[number]) => {
      const words = ['tenant-migrate', ...typed.split(/ |(?==)|(?<==)/)].filter(
        (word, at, all) => word !== '' || at === all.length - 1,
      );
      return `COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _tenant_migrate tenant-migrate; echo "\${COMPREPLY[*]}"`;
    };
    const lines = run('bash', ['--norc', '-c', [BASH, ...CASES.map(call)].join('\n')]).split('\n');
    expect(CASES.map(([typed], at) => [typed, lines[at]])).toEqual(
      CASES.map(([typed, fits]) => [typed, fits.join(' ')]),
    );
  });

  it.skipIf(!has('fish'))('in fish offers what fits, where fish is installed', () => {
    const calls = CASES.map(([typed]) => `complete -C 'tenant-migrate ${typed}'; echo ==`);
    const answers = run('fish', ['--no-config', '-c', [FISH, ...calls].join('\n')]).split('==\n');
    const offered = (answer: string) =>
      answer
        .split('\n')
        .flatMap((line) => (line === '' ? [] : [(line.split('\t')[0] ?? '').replace(/^--[\w-]+=/, '')]));
    expect(CASES.map(([typed], at) => [typed, offered(answers[at] ?? '').sort()])).toEqual(
      CASES.map(([typed, fits]) => [typed, [...fits].sort()]),
    );
    expect(answers.join('')).toContain('failed $(touch gone)\\x1b[31m → a:b\\x0a');
  });

  it.skipIf(!has('zsh') || !has('script'))('in zsh completes what is typed, where zsh is installed', async () => {
    writeFileSync(join(folder, '_tenant-migrate'), ZSH);
    const child = spawn('script', ['-qec', 'zsh -f -i', '/dev/null'], {
      cwd: folder,
      env: { PATH, HOME: folder, TERM: 'dumb' },
    });
    let seen = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      seen += text;
    });
    const until = async (what: string | RegExp) =>
      expect.poll(() => seen, { timeout: 10_000, message: `waiting for ${what}` }).toMatch(what);
    child.stdin.write('PS1="> "; fpath=($PWD $fpath); autoload -Uz compinit && compinit -u -D; echo rea""dy\n');
    await until('ready\r\n');
    for (const [typed, completed] of [
      ['tenant-migrate res', 'resume '],
      ['tenant-migrate resume ', FAILED],
      ['tenant-migrate --redis-mode=re', '--redis-mode=rename'],
      ['tenant-migrate --config settings.yaml --env p', '--env prod'],
      ['tenant-migrate apply pl', 'plan.json'],
    ] as const) {
      seen = '';
      child.stdin.write(`${typed}\t`);
      await until(completed.trim());
      child.stdin.write('\x15');
    }
    child.stdin.write('\x15exit\n');
    child.stdin.end();
    await new Promise((resolve) => child.on('close', resolve));
  });
});
