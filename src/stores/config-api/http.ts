import { decodedBytes } from '../../model/decoded-body.ts';
import { MigrateError } from '../../model/errors.ts';
import type { ConfigApiSettings } from './config-api.ts';

/** What came of one request: a whole reply, or nothing to go by (`lost`, with the reason). */
export type Outcome = Reply | { readonly lost: string; readonly cause: unknown };

export interface Reply {
  readonly status: number;
  /** Undefined where the bytes are not UTF-8. */
  readonly text: string | undefined;
  readonly retryAfterMs: number;
}

/** The bare connection: one request, one outcome, no retries and no judgement. */
export interface ConfigHttp {
  /** Base address and path of a tenant's config, for messages. */
  address(tenant: string): string;
  path(tenant: string): string;
  send(method: string, tenant: string, body?: string): Promise<Outcome>;
  /** POST to the tenant's refresh path. */
  refresh(tenant: string): Promise<Outcome>;
  close(): Promise<void>;
}

const LONGEST_REPLY_BYTES = 16 * 1024 * 1024;

/** Checks the settings and makes the connection pool; connects nowhere yet. Throws MigrateError('settings'). */
export async function openHttp(settings: ConfigApiSettings): Promise<ConfigHttp> {
  const { origin, prefix } = checkSettings(settings);
  const { Agent } = await import('undici');
  const agent = new Agent({ connect: { timeout: settings.timeoutMs }, maxResponseSize: LONGEST_REPLY_BYTES });
  const headers = {
    accept: 'application/json',
    ...(settings.token === undefined ? {} : { authorization: `Bearer ${settings.token}` }),
    ...(settings.through === undefined ? {} : { host: new URL(origin).host }),
  };
  const pathOf = (template: string, tenant: string) => template.replaceAll('{tenant}', encodeURIComponent(tenant));
  const path = (tenant: string) => pathOf(settings.path, tenant);
  return {
    address: (tenant) => `${origin}${prefix}${path(tenant)}`,
    path,
    send: (method, tenant, body) => request(method, path(tenant), body),
    refresh: (tenant) => request('POST', pathOf(settings.refreshPath ?? settings.path, tenant)),
    close: () => agent.close(),
  };

  async function request(method: string, at: string, body?: string): Promise<Outcome> {
    try {
      const reply = await agent.request({
        origin: settings.through ?? origin,
        path: `${prefix}${at}`,
        method: method as 'GET',
        headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
        body: body ?? null,
        // One clock for the whole request instead of undici's separate ones.
        signal: AbortSignal.timeout(settings.timeoutMs),
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      const bytes = await decodedBytes(reply.body, reply.headers['content-encoding'], LONGEST_REPLY_BYTES);
      return {
        status: reply.statusCode,
        text: decode(bytes),
        retryAfterMs: Number(reply.headers['retry-after'] ?? 0) * 1000 || 0,
      };
    } catch (cause) {
      return { lost: lostReason(cause, settings.timeoutMs), cause };
    }
  }
}

function checkSettings(settings: ConfigApiSettings): { readonly origin: string; readonly prefix: string } {
  const url = URL.canParse(settings.url) ? new URL(settings.url) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw settingsError('the address of the config API is not an http or https address', 'set --api-url');
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw settingsError(
      'the address of the config API holds credentials, a query or a fragment',
      'give --api-url the bare address and the token in API_TOKEN',
    );
  }
  if (!settings.path.startsWith('/') || !settings.path.includes('{tenant}')) {
    throw settingsError("the config API's path must begin with / and hold {tenant}", 'set the path of the config API');
  }
  // Checked here, since a header that the client refuses would be reported with each request.
  if (settings.token !== undefined && !/^[\x21-\x7e]+$/.test(settings.token)) {
    throw settingsError('API_TOKEN is empty or holds characters that no header may hold', 'set API_TOKEN');
  }
  return { origin: url.origin, prefix: url.pathname.replace(/\/+$/, '') };
}

function settingsError(message: string, next: string): MigrateError {
  return new MigrateError('settings', message, { stage: 'config', next });
}

function decode(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    // Decoding with replacement characters would change a config in silence.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

function lostReason(cause: unknown, timeoutMs: number): string {
  if (!(cause instanceof Error)) return 'no reply';
  if (cause.name === 'TimeoutError') return `no reply within ${timeoutMs} ms`;
  const code = (cause as { readonly code?: unknown }).code;
  return typeof code === 'string' ? code : cause.message;
}
