import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { markOf, mayBeAlive } from '../../../src/journal/process-mark.ts';

describe('a process', () => {
  test('that runs may be alive; one that has ended is not', async () => {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    const pid = child.pid ?? 0;
    const mark = await markOf(pid);
    expect(await mayBeAlive({ pid, mark })).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await mayBeAlive({ pid, mark })).toBe(false);
  });

  test.runIf(process.platform === 'linux')('is read rightly though its name holds blanks and parentheses', async () => {
    const script = "process.title = 'a) Z 1 (b'; setInterval(() => {}, 1e6); console.log('there')";
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      await once(child.stdout, 'data');
      const pid = child.pid ?? 0;
      const mark = await markOf(pid);
      expect(Number(mark.startTime)).toBeGreaterThanOrEqual(Number((await markOf(process.pid)).startTime));
      expect(await mayBeAlive({ pid, mark })).toBe(true);
    } finally {
      child.kill('SIGKILL');
    }
  });

  test('of which nothing is known but a pid that lives may be alive', async () => {
    const { startTime: _, ...mark } = await markOf(process.pid);
    expect(await mayBeAlive({ pid: process.pid, mark })).toBe(true);
  });

  test.runIf(process.platform === 'linux')('marked on a system that told nothing cannot be judged', async () => {
    expect(await mayBeAlive({ pid: 2 ** 22 + 1, mark: {} })).toBe(true);
  });
});
