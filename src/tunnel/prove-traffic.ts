import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorText } from '../model/errors.ts';

/** What is said first to a far end. All of them are answered without a login, and change nothing. */
export type Hello = 'http' | 'redis' | 'bolt';

const HELLOS: Readonly<Record<Hello, Buffer>> = {
  http: Buffer.from('HEAD / HTTP/1.0\r\n\r\n'),
  redis: Buffer.from('PING\r\n'),
  // Bolt's preamble, and one version that every server answers, if only with "none of these".
  bolt: Buffer.from('6060b01700000004000000000000000000000000', 'hex'),
};

/** How long ssh's reason may come after the end of the connection, ms. */
const REASON_MS = 300;
const LOOK_MS = 10;

/**
 * Says hello and waits for any reply at all. Undefined where there is one, or where the far end hung up by itself, as
 * one does that speaks TLS; else why there is none.
 */
export async function proveTraffic(
  connect: () => Promise<Socket>,
  proof: {
    readonly hello: Hello;
    /** ssh's reason for not reaching the far end, once it has told one. */
    readonly refused: () => string | undefined;
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
  },
): Promise<string | undefined> {
  const timeout = AbortSignal.any([proof.signal, AbortSignal.timeout(proof.timeoutMs)]);
  let socket: Socket;
  try {
    socket = await connect();
  } catch (error) {
    return (await reason(proof.refused)) ?? errorText(error);
  }
  try {
    const came = await firstOf(socket, HELLOS[proof.hello], timeout);
    proof.signal.throwIfAborted();
    if (came === 'reply') return undefined;
    if (came === 'silence') return proof.refused() ?? `no answer within ${proof.timeoutMs / 1_000} s`;
    return await reason(proof.refused);
  } finally {
    socket.destroy();
  }
}

function firstOf(socket: Socket, hello: Buffer, timeout: AbortSignal): Promise<'reply' | 'end' | 'silence'> {
  return new Promise((resolve) => {
    socket.once('data', () => resolve('reply'));
    for (const end of ['end', 'error', 'close']) socket.on(end, () => resolve('end'));
    timeout.addEventListener('abort', () => resolve('silence'));
    if (timeout.aborted) resolve('silence');
    socket.write(hello);
  });
}

/** ssh's words come on another way than the end of the connection. */
async function reason(refused: () => string | undefined): Promise<string | undefined> {
  for (let waited = 0; waited < REASON_MS; waited += LOOK_MS) {
    const told = refused();
    if (told !== undefined) return told;
    await sleep(LOOK_MS);
  }
  return undefined;
}
