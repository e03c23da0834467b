import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../../..');

/** A process that has opened all the files it may, and then calls a hook. */
const SCRIPT = `
  import { openSync } from 'node:fs';
  import { runCommandHook } from './src/hooks/run-command-hook.ts';
  try { for (;;) openSync('/dev/null', 'r'); } catch {}
  runCommandHook(['/bin/true'], { input: '{}', env: {}, timeoutMs: 2_000 }).then((end) => console.log(JSON.stringify(end)));
`;

test('a hook that cannot be started for want of open files is a hook that failed, and does not end the run', () => {
  const command = 'ulimit -n 64; exec node_modules/.bin/tsx --eval "$0"';
  const said = execFileSync('bash', ['-c', command, SCRIPT], { cwd: ROOT, encoding: 'utf8' });
  expect(JSON.parse(said)).toEqual({ problem: expect.stringMatching(/it cannot be started: .*EMFILE/), output: '' });
});
