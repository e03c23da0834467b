import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { askYes } from '../../../src/cli/terminal.ts';
import { stopReason } from '../../../src/model/errors.ts';

function asking() {
  const controller = new AbortController();
  const stdin = new PassThrough();
  const terminal = { stdin, stdout: new PassThrough(), stderr: new PassThrough(), env: {} };
  const interrupt = () => controller.abort(stopReason('SIGINT'));
  const ask = () => askYes({ terminal, signal: controller.signal, interrupt }, 'Move a to b?');
  return { stdin, ask, stop: () => controller.abort(stopReason('SIGTERM')) };
}

describe('the question', () => {
  it('is agreed to by the word yes alone', async () => {
    for (const [answer, agreed] of [
      ['yes\n', true],
      [' yes \n', true],
      ['y\n', false],
      ['\n', false],
    ] as const) {
      const { stdin, ask } = asking();
      stdin.write(answer);
      expect(await ask()).toBe(agreed);
    }
  });

  it('is not agreed to by a signal, which ends the wait at once', async () => {
    const { ask, stop } = asking();
    const answer = ask();
    stop();
    expect(await answer).toBe(false);
    expect(await ask()).toBe(false);
  });

  it('is not agreed to by the end of the input, nor by a terminal that is gone', async () => {
    const ended = asking();
    ended.stdin.end();
    expect(await ended.ask()).toBe(false);
    const gone = asking();
    const answer = gone.ask();
    gone.stdin.destroy(new Error('read EIO'));
    expect(await answer).toBe(false);
  });
});
