import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CliResult, runHere } from '../cli.ts';

/** A way for scripts to call the command in this process: a process of its own takes longer to start than a small move. */
export type Door = Awaited<ReturnType<typeof openDoor>>;

/**
 * Serves programs that stand for `tenant-migrate` on a script's PATH: they hand over their folder, environment and words,
 * and get back what the command printed and its exit code.
 */
export async function openDoor() {
  const folder = mkdtempSync(join(tmpdir(), 'tenant-migrate-door-'));
  const server = createServer((socket) => {
    socket.setEncoding('utf8').once('data', async (line: string) => {
      socket.end(`${await answer(line.trim())}\n`);
    });
    // A script that was ended does not wait for its answer.
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    /** The program, as a script of bash. */
    script: [
      `call=$(mktemp -d ${folder}/XXXXXX)`,
      '[ $# = 0 ] || printf "%s\\0" "$@" > "$call/words"',
      'env -0 > "$call/env" && printf %s "$PWD" > "$call/cwd"',
      `exec 3<>/dev/tcp/127.0.0.1/${port} && echo "$call" >&3 && read -r code <&3`,
      'cat "$call/stderr" >&2 && cat "$call/stdout" && exit "$code"',
    ].join('\n'),
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

async function answer(call: string): Promise<number> {
  const env = Object.fromEntries(parts(join(call, 'env')).map((entry) => entry.split(/=(.*)/s)));
  const cwd = readFileSync(join(call, 'cwd'), 'utf8');
  const { code, stdout, stderr } = await said(parts(join(call, 'words')), { cwd, env });
  writeFileSync(join(call, 'stdout'), stdout);
  writeFileSync(join(call, 'stderr'), stderr);
  return code;
}

async function said(
  words: readonly string[],
  options: Parameters<typeof runHere>[1],
): Promise<Omit<CliResult, 'json'>> {
  try {
    return await runHere(words, options);
  } catch (error) {
    return { code: 1, stdout: '', stderr: String((error as Error).stack) };
  }
}

function parts(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\0').slice(0, -1);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
