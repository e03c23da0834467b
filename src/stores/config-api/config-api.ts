import { setTimeout as sleep } from 'node:timers/promises';
import type { RetryPolicy } from 'cockatiel';
import type { Json } from '../../model/json.ts';
import { type RetryRule, retryDelayMs } from '../retry-rule.ts';
import { type ConfigHttp, type Outcome, openHttp } from './http.ts';
import { failure, isBusy, readConfig, saysAbsent } from './reply.ts';

/** Where a tenant config API is and how it is spoken to. */
export interface ConfigApiSettings {
  /** Base address, without credentials. */
  readonly url: string;
  /** Where it is connected to, where not at its own address: the origin of a tunnel's near end. */
  readonly through?: string | undefined;
  /** Sent as a bearer token. */
  readonly token?: string;
  /** Path of one tenant's config; `{tenant}` is percent-encoded. */
  readonly path: string;
  /** Path at which the server is told to read a tenant's config anew; absent where there is none. */
  readonly refreshPath?: string;
  /** How a config is written. */
  readonly method: 'PUT' | 'POST' | 'PATCH';
  /** For one request, from connecting to the last byte of the reply. */
  readonly timeoutMs: number;
  /** Two repetitions, soon, where absent. */
  readonly retry?: RetryRule | undefined;
  readonly onRetry?: (info: { readonly attempt: number; readonly delayMs: number; readonly reason: string }) => void;
}

/** A tenant's record as the API returns it. */
export type ConfigBody = Readonly<Record<string, Json>>;

/** Reads tenants' configs. It has no way to write one. */
export interface ConfigReader {
  /** Path of a tenant's config as it is requested, without the base address. */
  pathOf(tenant: string): string;
  /**
   * The tenant's record, or undefined where the API says that it has none. Asked again while the API is
   * busy or away; `signal` stops further tries. Throws MigrateError with what to do next.
   */
  get(tenant: string, signal?: AbortSignal): Promise<ConfigBody | undefined>;
  close(): Promise<void>;
}

/** Writes tenants' configs. */
export interface ConfigWriter extends ConfigReader {
  /**
   * Sends the sections. Where the outcome is unknown it looks before it sends again, no more often than it may be repeated:
   * `changed` means that something else stands there now, and that nothing more was sent.
   */
  put(write: ConfigWrite & { readonly sections: ConfigBody; readonly secrets: readonly string[] }): Promise<Written>;
  /**
   * Has the server read the tenant's config anew (POST), where the settings say how; `absent` where it answers that it
   * has no such endpoint.
   */
  refresh(tenant: string): Promise<'done' | 'absent'>;
  /** Sends nothing for so long; `signal` ends it with its reason. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
  /** Deletes the record under the same rule. A record that is gone already is `done`. */
  delete(write: ConfigWrite): Promise<Written>;
}

export interface ConfigWrite {
  readonly tenant: string;
  /** What a record that is found after an unknown outcome says: `again` where it stands as before the write. */
  readonly judge: (found: ConfigBody | undefined) => Written | 'again';
}

export type Written = 'done' | 'changed';

/** Opens a reader; connects at its first request. Throws MigrateError('settings'). */
export async function openConfigReader(settings: ConfigApiSettings): Promise<ConfigReader> {
  return reader(await openConnection(settings));
}

/** Opens a writer; connects at its first request. Throws MigrateError('settings'). */
export async function openConfigWriter(settings: ConfigApiSettings): Promise<ConfigWriter> {
  const connection = await openConnection(settings);
  return {
    ...reader(connection),
    put: ({ sections, secrets, ...write }) =>
      writeAndLook(connection, write, { method: settings.method, body: JSON.stringify(sections), secrets }),
    refresh: (tenant) => (settings.refreshPath === undefined ? Promise.resolve('done') : refresh(connection, tenant)),
    async pause(ms, signal) {
      signal.throwIfAborted();
      // The timer's own error names no reason.
      await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
    },
    delete: (write) => writeAndLook(connection, write, { method: 'DELETE', secrets: [] }),
  };
}

interface Connection {
  readonly http: ConfigHttp;
  readonly token: readonly string[];
  readonly retry: RetryPolicy;
}

interface WriteRequest {
  readonly method: string;
  readonly body?: string;
  /** Values in the body that no message may show. */
  readonly secrets: readonly string[];
}

/** One try: what came of it, or a verdict that ended the matter. */
type Try = { readonly attempt: number; readonly outcome: Outcome } | { readonly verdict: Written };

const RETRY: RetryRule = { retries: 2, delayMs: 150, backoff: 2 };
/** Of what the server asks for. */
const LONGEST_DELAY_MS = 30_000;

async function openConnection(settings: ConfigApiSettings): Promise<Connection> {
  const { DelegateBackoff, handleWhenResult, retry } = await import('cockatiel');
  const rule = settings.retry ?? RETRY;
  const policy = retry(
    handleWhenResult((tried) => worthRepeating(tried as Try)),
    {
      maxAttempts: rule.retries,
      backoff: new DelegateBackoff(({ attempt, result }) =>
        delayMs(rule, attempt, 'value' in result ? result.value : {}),
      ),
    },
  );
  policy.onRetry(({ attempt, delay, ...result }) => {
    const reason = 'value' in result ? reasonOf(result.value as Try) : 'error';
    settings.onRetry?.({ attempt, delayMs: Math.round(delay), reason });
  });
  return {
    http: await openHttp(settings),
    token: settings.token === undefined ? [] : [settings.token],
    retry: policy,
  };
}

function reader({ http, token, retry }: Connection): ConfigReader {
  return {
    pathOf: (tenant) => http.path(tenant),
    async get(tenant, signal) {
      const last = await retry.execute(async ({ attempt }): Promise<Try> => {
        signal?.throwIfAborted();
        return { attempt, outcome: await http.send('GET', tenant) };
      }, signal);
      if ('verdict' in last) throw new TypeError('a reading request has no verdict');
      return readConfig(last.outcome, { method: 'GET', tenant, address: http.address(tenant), secrets: token });
    },
    close: () => http.close(),
  };
}

async function refresh({ http, token, retry }: Connection, tenant: string): Promise<'done' | 'absent'> {
  const last = await retry.execute(async ({ attempt }): Promise<Try> => {
    return { attempt, outcome: await http.refresh(tenant) };
  });
  if ('verdict' in last) throw new TypeError('a refresh has no verdict');
  const { outcome } = last;
  if (isAccepted(outcome)) return 'done';
  if (!('lost' in outcome) && (outcome.status === 404 || outcome.status === 405)) return 'absent';
  throw failure(outcome, { method: 'POST', tenant, address: `${http.address(tenant)} (refresh)`, secrets: token });
}

async function writeAndLook(
  { http, token, retry }: Connection,
  { tenant, judge }: ConfigWrite,
  { method, body, secrets }: WriteRequest,
): Promise<Written> {
  const asked = { method, tenant, address: http.address(tenant), secrets: [...token, ...secrets] };
  let sent: Outcome | undefined;
  // No signal: a write whose outcome is unknown is looked after even while the run is being stopped.
  const last = await retry.execute(async ({ attempt }): Promise<Try> => {
    const look = sent === undefined ? 'again' : await lookOnce();
    if (typeof look === 'object') return { attempt, outcome: look };
    if (look !== 'again') return { verdict: look };
    sent = await http.send(method, tenant, body);
    return { attempt, outcome: sent };
  });
  if ('verdict' in last) return last.verdict;
  if (isAccepted(last.outcome) || (method === 'DELETE' && saysAbsent(last.outcome, asked))) return 'done';
  const look = isUnknown(last.outcome) ? await lookOnce() : 'again';
  if (look === 'done' || look === 'changed') return look;
  throw failure(last.outcome, asked);

  /** What stands there now; where that cannot be learned either, the outcome of the look. */
  async function lookOnce(): Promise<Written | 'again' | Outcome> {
    const outcome = await http.send('GET', tenant);
    if (isUnknown(outcome)) return outcome;
    return judge(readConfig(outcome, { ...asked, method: 'GET' }));
  }
}

function worthRepeating(tried: Try): boolean {
  if ('verdict' in tried) return false;
  const { outcome, attempt } = tried;
  // A plain 500 is more often a fault that stays than one that passes: one more try.
  return 'lost' in outcome || isBusy(outcome.status) || (outcome.status >= 500 && attempt === 0);
}

/** Nothing tells whether it was carried out: no reply, or one from halfway. */
function isUnknown(outcome: Outcome): boolean {
  return 'lost' in outcome || outcome.status >= 500 || outcome.status === 429;
}

function isAccepted(outcome: Outcome): boolean {
  return !('lost' in outcome) && outcome.status >= 200 && outcome.status < 300;
}

function reasonOf(tried: Try): string {
  if ('verdict' in tried) return tried.verdict;
  return 'lost' in tried.outcome ? tried.outcome.lost : `status ${tried.outcome.status}`;
}

/** By the rule; a longer Retry-After is respected. */
function delayMs(rule: RetryRule, attempt: number, tried: unknown): number {
  const outcome = (tried as Partial<Extract<Try, { outcome: Outcome }>>).outcome;
  const asked = outcome !== undefined && 'retryAfterMs' in outcome ? outcome.retryAfterMs : 0;
  return Math.max(retryDelayMs(rule, attempt), Math.min(asked, LONGEST_DELAY_MS));
}
