import { lstat } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { errorText, MigrateError } from '../model/errors.ts';
import { type ControlAction, type ControlAnswer, MOST_ANSWER, PROTOCOL, parseAnswer } from './control-protocol.ts';
import { SOCKET, withShortPath } from './short-path.ts';

const ANSWER_MS = 5_000;

/**
 * Asks the process that works in this run folder. Undefined where none does: no socket, or one that nobody answers at.
 * Throws MigrateError `refused` where what is there is no socket, or what answers is not understood.
 */
export async function askControl(
  folder: string,
  action: ControlAction,
  { timeoutMs = ANSWER_MS }: { readonly timeoutMs?: number } = {},
): Promise<ControlAnswer | undefined> {
  const path = join(folder, SOCKET);
  try {
    const there = await lstat(path);
    if (!there.isSocket()) throw refused(`${path} is not a socket`);
    const line = await withShortPath(folder, (short) => exchange(short, { v: PROTOCOL, ...action }, timeoutMs));
    const answer = parseAnswer(line);
    if (answer === undefined) throw refused(`what answers at ${path} is of another version, or is no run`);
    return answer;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined;
    if (error instanceof MigrateError) throw error;
    throw refused(`the run cannot be asked at ${path}: ${errorText(error)}`);
  }
}

function refused(text: string): MigrateError {
  return new MigrateError('refused', text, { next: 'tenant-migrate status shows what the run’s folder tells' });
}

/** One line there, one line back. */
function exchange(path: string, request: object, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(path);
    const timer = setTimeout(() => socket.destroy(new Error(`no answer within ${timeoutMs / 1_000} s`)), timeoutMs);
    let text = '';
    socket.setEncoding('utf8');
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (text.includes('\n')) socket.end();
      else if (text.length > MOST_ANSWER) socket.destroy(new Error('the answer is too long'));
    });
    socket.on('error', reject);
    socket.on('close', () => {
      clearTimeout(timer);
      const end = text.indexOf('\n');
      if (end >= 0) resolve(text.slice(0, end));
      else reject(new Error('it ended without an answer'));
    });
  });
}
