import { decodedBytes } from '../model/decoded-body.ts';

const LONGEST_BYTES = 16 * 1024 * 1024;

/** What a few requests for one address came to. */
export interface HttpPing {
  readonly status: number;
  readonly text: string;
  /** Time of each request, ms; the first opens the connection. */
  readonly ms: readonly number[];
  /** The server's clock minus ours, ms, as its Date header tells it: to the second. Undefined where it sends none. */
  readonly skewMs: number | undefined;
}

/** Sends GET a few times, one after the other and without repeating what fails. Throws what the client throws. */
export async function pingHttp(request: {
  readonly url: string;
  /** The origin of a tunnel's near end, where it is reached through one. */
  readonly through?: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly times: number;
}): Promise<HttpPing> {
  const { Agent } = await import('undici');
  const { url, through, timeoutMs, times } = request;
  const { origin, pathname, host } = new URL(url);
  const headers = { ...request.headers, ...(through === undefined ? {} : { host }) };
  const agent = new Agent({ connect: { timeout: timeoutMs }, maxResponseSize: LONGEST_BYTES });
  const ms: number[] = [];
  let last = { status: 0, text: '', skewMs: undefined as number | undefined };
  try {
    for (let time = 0; time < times; time += 1) {
      const [started, wall] = [performance.now(), Date.now()];
      const signal = AbortSignal.timeout(timeoutMs);
      const reply = await agent.request({ origin: through ?? origin, path: pathname, method: 'GET', headers, signal });
      const bytes = await decodedBytes(reply.body, reply.headers['content-encoding'], LONGEST_BYTES);
      const text = bytes.toString('utf8');
      ms.push(performance.now() - started);
      last = { status: reply.statusCode, text, skewMs: skewOf(reply.headers.date, wall) };
    }
    return { ...last, ms };
  } finally {
    await agent.destroy();
  }
}

function skewOf(date: string | string[] | undefined, ours: number): number | undefined {
  const theirs = Date.parse(String(date ?? ''));
  return Number.isNaN(theirs) ? undefined : theirs - ours;
}
