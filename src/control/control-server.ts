import { lstatSync, unlinkSync } from 'node:fs';
import { chmod, lstat, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { getuid } from 'node:process';
import { errorText } from '../model/errors.ts';
import { type ControlAction, type ControlAnswer, MOST_REQUEST, PROTOCOL, parseRequest } from './control-protocol.ts';
import { SOCKET, withShortPath } from './short-path.ts';

/** Does what is asked; never rejects. */
export type Act = (action: ControlAction) => Promise<ControlAnswer>;

const MOST_CLIENTS = 64;
/** Who says nothing for so long is let go, ms. */
const SILENT_MS = 10_000;

/** The socket of a run folder at which its process can be spoken to. The owner's only, as the folder is. */
export class ControlServer {
  readonly #path: string;
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  #closed = false;
  /** The file that it made. */
  #ino: number | undefined;

  private constructor(path: string, act: Act) {
    this.#path = path;
    this.#server = createServer((socket) => this.#serve(socket, act));
    this.#server.maxConnections = MOST_CLIENTS;
    this.#server.unref();
  }

  /**
   * Opens `control.sock` (0600) in the run folder. The socket of a process that is gone is replaced. A text in its place
   * says why there is none: the folder is open to others, a process answers there, or something else has the name.
   */
  static async open(folder: string, act: Act): Promise<ControlServer | string> {
    const path = join(folder, SOCKET);
    try {
      const problem = (await problemWith(folder)) ?? (await freed(path, folder));
      if (problem !== undefined) return problem;
      const control = new ControlServer(path, act);
      await withShortPath(folder, (short) => control.#listen(short));
      await chmod(path, 0o600);
      control.#ino = (await lstat(path)).ino;
      return control;
    } catch (error) {
      return errorText(error);
    }
  }

  /** At once: who opens the next socket of this name must find the name free. Those who are connected are let go. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      // Whatever else has the name by now is another's.
      if (lstatSync(this.#path).ino === this.#ino) unlinkSync(this.#path);
    } catch (error) {
      // With the folder gone, or no longer writable, nobody is served by an error at the end of a run.
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    }
    this.#server.close();
    for (const client of this.#clients) client.destroySoon();
  }

  #listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(path, () => {
        this.#server.off('error', reject);
        // A later one, such as too many open files, is the client's that it keeps out.
        this.#server.on('error', () => undefined);
        resolve();
      });
    });
  }

  #serve(socket: Socket, act: Act): void {
    this.#clients.add(socket);
    socket.unref();
    socket.setTimeout(SILENT_MS, () => socket.destroy());
    // A client that leaves is none of the run's business.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#clients.delete(socket));
    const answer = (said: ControlAnswer) => void (socket.writable && socket.write(`${JSON.stringify(said)}\n`));
    let text = Buffer.alloc(0);
    let last: Promise<void> = Promise.resolve();
    socket.on('data', (chunk: Buffer) => {
      text = Buffer.concat([text, chunk]);
      for (let end = text.indexOf(10); end >= 0; end = text.indexOf(10)) {
        const line = text.subarray(0, end).toString('utf8');
        text = text.subarray(end + 1);
        last = last.then(async () => answer(await answerTo(line, act)));
      }
      if (text.length <= MOST_REQUEST) return;
      text = Buffer.alloc(0);
      answer({ v: PROTOCOL, ok: false, error: `the request is longer than ${MOST_REQUEST} bytes` });
      socket.destroySoon();
    });
  }
}

async function answerTo(line: string, act: Act): Promise<ControlAnswer> {
  const action = line.length > MOST_REQUEST ? `the request is longer than ${MOST_REQUEST} bytes` : parseRequest(line);
  return typeof action === 'string' ? { v: PROTOCOL, ok: false, error: action } : act(action);
}

/** Node tells nothing of who is at the other end: that nobody else gets in is the folder's doing. */
async function problemWith(folder: string): Promise<string | undefined> {
  const there = await lstat(folder);
  const { mode, uid } = there;
  if (!there.isDirectory()) return `${folder} is not a folder`;
  if (getuid !== undefined && uid !== getuid()) return `${folder} is another user’s`;
  return (mode & 0o077) === 0 ? undefined : `${folder} is open to other users (its mode must be 0700)`;
}

/** Removes the socket of a process that is gone. A text says why the name is not free. */
async function freed(path: string, folder: string): Promise<string | undefined> {
  let there: Awaited<ReturnType<typeof lstat>>;
  try {
    there = await lstat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  if (!there.isSocket()) return `${path} is there and is not a socket`;
  if (await withShortPath(folder, answers)) return `another process answers at ${path}`;
  await rm(path, { force: true });
  return undefined;
}

/** Whether somebody listens. What cannot be told is yes: a live socket is never taken. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'));
  });
}
