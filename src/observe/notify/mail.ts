import { setTimeout as sleep } from 'node:timers/promises';
import { createTransport } from 'nodemailer';
import type { Notice } from './notice.ts';
import { shorten } from './shorten.ts';

const MOST_SUBJECT = 200;
const MOST_TRIES = 4;
const FIRST_DELAY_MS = 500;
const ONE_STEP_MS = 5_000;
const LONGEST_GOODBYE_MS = 500;

/** Where mail goes in, and whose it is. */
export interface Mail {
  /** `smtp://` or `smtps://`, with name and password where they are needed. */
  readonly url: string;
  readonly to: readonly string[];
  readonly from: string;
}

/** Sends a notice as plain text. Tries again where the server was not there or said "later". Throws what was last wrong. */
export async function sendMail(notice: Notice, mail: Mail, signal: AbortSignal): Promise<void> {
  const transport = createTransport(smtpOf(mail.url));
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await transport.sendMail({ ...letter(notice, mail), signal });
        return;
      } catch (error) {
        const { responseCode = 0, code } = error as { responseCode?: number; code?: string };
        const isFinal = responseCode >= 500 || code === 'EAUTH' || isCertificate(error);
        if (isFinal || attempt >= MOST_TRIES || signal.aborted) throw reason(error, signal);
        const delay = FIRST_DELAY_MS * 2 ** (attempt - 1);
        await sleep(delay, undefined, { signal, ref: false }).catch(() => Promise.reject(reason(error, signal)));
      }
    }
  } finally {
    transport.close();
  }
}

/** Read here and not by the library, in whose addresses the verification of certificates could be put off. */
function smtpOf(text: string) {
  const url = new URL(text);
  const secure = url.protocol === 'smtps:';
  const [user, pass] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const auth = user === '' ? undefined : { user, pass };
  return {
    host,
    port: url.port === '' ? (secure ? 465 : 587) : Number(url.port),
    secure,
    ...(auth === undefined ? {} : { auth }),
    // A password is never said in clear, but to this machine.
    requireTLS: !secure && auth !== undefined && !LOOPBACK.has(host),
    tls: { rejectUnauthorized: true },
    connectionTimeout: ONE_STEP_MS,
    greetingTimeout: ONE_STEP_MS,
    socketTimeout: ONE_STEP_MS,
    socketCloseTimeout: LONGEST_GOODBYE_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '::1', 'localhost']);

function letter(notice: Notice, { to, from }: Mail) {
  const lines = notice.facts.map(([label, value]) => `${label}: ${value}`);
  return {
    from: { name: 'tenant-migrate', address: from },
    to: to.map((address) => ({ name: '', address })),
    subject: shorten(`[tenant-migrate] ${notice.title}`, MOST_SUBJECT),
    text: `${notice.title}\n\n${lines.join('\n')}\n`,
    date: new Date(notice.at),
    messageId: `<${notice.id}@tenant-migrate.invalid>`,
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Tenant-Migrate-Event': notice.occasion },
  };
}

function isCertificate(error: unknown): boolean {
  const { message } = error as Error;
  return /self-signed|certificate/i.test(message);
}

/** Without what the server said: it may repeat what it was told. */
function reason(error: unknown, signal: AbortSignal): Error {
  const { responseCode, code, message } = error as { responseCode?: number; code?: string; message: string };
  if (signal.aborted) return new Error('no answer in time');
  if (isCertificate(error)) return new Error(`its certificate is not trusted (${message})`);
  if (code === 'EAUTH') return new Error('the login was refused');
  return new Error(responseCode === undefined ? (code ?? message) : `answered ${responseCode}`);
}
