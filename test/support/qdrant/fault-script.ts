import { createHash } from 'node:crypto';
import type { FailRule } from '../fault-http.ts';

/** Faults by chance, the same ones for the same seed and requests: a test facility that no real server has. */
export interface FaultScript {
  readonly seed: number;
  /** How many of the matching requests meet a fault, out of 1. */
  readonly rate: number;
  readonly kinds: readonly FaultKind[];
  /** Source of a regular expression that is searched in `METHOD /path?query`; every request where absent. */
  readonly on?: string;
  /** One and the same request meets at most so many faults in a row: 2 where absent. */
  readonly inARow?: number;
  /** How long `late` and `delay` take, ms: 20 where absent. */
  readonly ms?: number;
  /** What `429` asks to wait, s: 1 where absent. */
  readonly retryAfter?: number;
}

/**
 * `late`: takes the update, says that it timed out (or `wait_timeout` where the client gave a timeout) and applies it
 * `ms` later. `half`: one of two shards applies the update, the other fails. The rest does nothing but what it says.
 */
export type FaultKind = keyof typeof RULES;

const RULES = {
  late: ({ ms = 20 }) => ({ kind: 'trouble', trouble: 'late', ms }),
  half: () => ({ kind: 'trouble', trouble: 'half' }),
  delay: ({ ms = 20 }) => ({ kind: 'delay', ms }),
  'cut-before': () => ({ kind: 'cut-before' }),
  'cut-after': () => ({ kind: 'cut-after' }),
  'cut-half': () => ({ kind: 'cut-half' }),
  '408': () => refusal(408, 'Timeout error: Operation timed out after 60 seconds'),
  '429': ({ retryAfter = 1 }) =>
    refusal(429, `Rate limiting exceeded: Write rate limit exceeded. Retry after ${retryAfter}s`, {
      'retry-after': String(retryAfter),
    }),
  '500': () => refusal(500, 'Service internal error: something broke'),
  '503': () => refusal(503, 'Service unavailable: the shard has no active replica'),
  'disk-full': () =>
    refusal(500, 'Service internal error: No space left on device: WAL buffer size exceeds available disk space'),
  locked: () => refusal(403, 'Forbidden: Locked: write operations are not allowed'),
} as const satisfies Record<string, (script: FaultScript) => Omit<FailRule, 'path'>>;

export const faultKinds = Object.keys(RULES) as readonly FaultKind[];

interface FaultyRequest {
  readonly method: string;
  readonly path: string;
  readonly body: Buffer;
}

/** The fault of each request in turn. Requests that run side by side do not change each other's. */
export function faultsOf(script: FaultScript): (request: FaultyRequest) => FailRule | undefined {
  const unknown = script.kinds.filter((kind) => !(kind in RULES));
  if (unknown.length > 0) throw new Error(`no such faults: ${unknown.join(', ')}`);
  const on = new RegExp(script.on ?? '');
  const seen = new Map<string, { asked: number; inARow: number }>();
  return ({ method, path, body }) => {
    if (!on.test(`${method} ${path}`)) return undefined;
    const key = createHash('sha1').update(`${method} ${path}\n`).update(body).digest('hex');
    const past = seen.get(key) ?? { asked: 0, inARow: 0 };
    seen.set(key, past);
    past.asked += 1;
    const [chance, choice] = draw(`${script.seed} ${past.asked} ${key}`);
    const kind = script.kinds[Math.floor(choice * script.kinds.length)];
    if (kind === undefined || chance >= script.rate || past.inARow >= (script.inARow ?? 2)) {
      past.inARow = 0;
      return undefined;
    }
    past.inARow += 1;
    return { path: /^/, ...RULES[kind](script) };
  };
}

/** Two numbers from 0 to below 1. */
function draw(text: string): readonly [number, number] {
  const bytes = createHash('sha1').update(text).digest();
  return [bytes.readUInt32BE(0) / 2 ** 32, bytes.readUInt32BE(4) / 2 ** 32];
}

function refusal(status: number, error: string, headers: Record<string, string> = {}): Omit<FailRule, 'path'> {
  return { kind: 'status', status, body: JSON.stringify({ status: { error }, time: 0 }), headers };
}
