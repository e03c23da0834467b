import type { Agent } from 'undici';
import { decodedBody } from '../model/decoded-body.ts';
import type { ThrottleLevel } from '../model/throttle-level.ts';
import { CALM_LOOKS, type Probe } from './probe.ts';

const ANSWER_MS = 2_000;
/** Of the answer's body no more is read, bytes. */
const MOST_BODY = 4_096;
const MOST_REASON = 200;

/** What a status wants of the run. Any other, a redirect included, is no answer. */
function levelOf(status: number): ThrottleLevel | undefined {
  if (status >= 200 && status < 300) return 'go';
  return ({ 429: 'slow', 423: 'pause', 503: 'pause', 410: 'abort' } as const)[status];
}

/** Asks a hook: the status is the verdict, the first line of the body the reason. */
export function httpProbe({ url }: { readonly url: string }, name: string): Probe {
  let agent: Agent | undefined;
  return {
    name,
    spoken: true,
    calmLooks: CALM_LOOKS,
    // It says so in a word of its own.
    abortLooks: 1,
    async look(signal) {
      const { Agent, request } = await import('undici');
      agent ??= new Agent({
        connections: 1,
        connect: { timeout: ANSWER_MS },
        headersTimeout: ANSWER_MS,
        bodyTimeout: ANSWER_MS,
      });
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
      const answer = await request(url, {
        dispatcher: agent,
        method: 'GET',
        signal: bounded,
        headers: { accept: 'text/plain' },
      });
      const line = await firstLine(decodedBody(answer.body, answer.headers['content-encoding']));
      const level = levelOf(answer.statusCode);
      if (level === undefined) throw new Error(`it answers with status ${answer.statusCode}`);
      const reason = level === 'go' ? '' : `${name} says ${line === '' ? `status ${answer.statusCode}` : line}`;
      return { level, calm: level, reason };
    },
    async close() {
      const open = agent;
      agent = undefined;
      await open?.destroy();
    },
  };
}

async function firstLine(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= MOST_BODY) break;
  }
  const [line = ''] = Buffer.concat(chunks)
    .toString('utf8')
    .trimStart()
    .split(/[\r\n]/, 1);
  return line.trim().slice(0, MOST_REASON);
}
