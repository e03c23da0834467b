import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, type Dispatcher, request } from 'undici';
import { errorText } from '../model/errors.ts';

const MOST_TRIES = 6;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 8_000;
const ONE_TRY_MS = 5_000;
/** Who asks for more patience than this is not tried again: what comes after the message must not wait so long. */
const LONGEST_RETRY_AFTER_MS = 60_000;

/** One message for a receiver. */
export interface Message {
  readonly url: string;
  readonly method: 'POST' | 'PUT';
  /** Made anew for each try, since a signature holds the time. */
  readonly headers: () => Readonly<Record<string, string>>;
  readonly body: string;
}

/** How long to go on, and how. */
export interface Sending {
  readonly dispatcher: Dispatcher;
  /** Aborted when there is no more time. */
  readonly signal: AbortSignal;
  /** Absent: as often as is usual. */
  readonly tries?: number;
}

/** A connection to receivers whose certificates are verified, whatever the surroundings say. */
export function receivers(): Agent {
  return new Agent({ connect: { rejectUnauthorized: true, timeout: ONE_TRY_MS } });
}

/** Tries again what may be better later: no connection, 408, 429 with its Retry-After, 5xx. Throws what was last wrong. */
export async function send(message: Message, sending: Sending): Promise<void> {
  const { signal, tries = MOST_TRIES } = sending;
  for (let attempt = 1; ; attempt += 1) {
    const failure = await tryOnce(message, sending);
    if (failure === undefined) return;
    const told = `${failure.text}${attempt > 1 ? `, ${attempt} tries` : ''}`;
    if (!failure.mayPass || attempt >= tries || signal.aborted) throw new Error(told);
    const delay = failure.retryAfterMs ?? Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1));
    const slept = await sleep(delay * (1 + Math.random() / 10), true, { signal, ref: false }).catch(() => false);
    if (!slept) throw new Error(told);
  }
}

interface Failure {
  readonly text: string;
  readonly mayPass: boolean;
  readonly retryAfterMs?: number | undefined;
}

async function tryOnce(message: Message, { dispatcher, signal }: Sending): Promise<Failure | undefined> {
  const { url, login } = withoutLogin(message.url);
  try {
    const timeout = AbortSignal.timeout(ONE_TRY_MS);
    // Redirects are not followed: a message is for the host that was named.
    const { statusCode, headers, body } = await request(url, {
      method: message.method,
      headers: { ...message.headers(), ...(login === undefined ? {} : { authorization: login }) },
      body: message.body,
      dispatcher,
      signal: AbortSignal.any([signal, timeout]),
    });
    // What is said beside the status is of no use, and may be endless.
    body.on('error', () => undefined).destroy();
    if (statusCode >= 200 && statusCode < 300) return undefined;
    const retryAfterMs = retryAfter(headers['retry-after']);
    const isBusy = statusCode === 408 || statusCode === 429 || statusCode >= 500;
    const mayPass = isBusy && (retryAfterMs ?? 0) <= LONGEST_RETRY_AFTER_MS;
    return { text: `answered ${statusCode}`, mayPass, retryAfterMs };
  } catch (error) {
    const text = signal.aborted
      ? 'no answer in time'
      : isTimeout(error)
        ? `no answer in ${ONE_TRY_MS / 1_000} s`
        : reason(error);
    return { text, mayPass: !isCertificate(error) };
  }
}

/** Seconds, or a date. */
function retryAfter(value: string | readonly string[] | undefined): number | undefined {
  const text = typeof value === 'string' ? value : value?.[0];
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

function withoutLogin(text: string): { url: URL; login: string | undefined } {
  const url = new URL(text);
  const { username, password } = url;
  url.username = '';
  url.password = '';
  if (username === '' && password === '') return { url, login: undefined };
  return { url, login: basic(decodeURIComponent(username), decodeURIComponent(password)) };
}

/** The header of a login by name and password. */
export function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError';
}

/** A certificate that is not trusted now will not be a second later. */
function isCertificate(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS/.test(code);
}

/** Never with the address, whose path may be a secret. */
function reason(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return isCertificate(error) ? `its certificate is not trusted (${errorText(error)})` : (code ?? errorText(error));
}
