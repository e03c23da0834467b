import { isSafeNumber, parse } from 'lossless-json';
import { type ErrorCode, MigrateError } from '../../model/errors.ts';
import type { ConfigBody } from './config-api.ts';
import type { Outcome, Reply } from './http.ts';

interface Asked {
  readonly method: string;
  readonly tenant: string;
  readonly address: string;
  /** Texts that no message may hold: the token, and secrets that were sent. */
  readonly secrets: readonly string[];
}

const SKIP = 'or leave the config out with --skip-config';
const CHECK_URL = `check --api-url and the config API's path, ${SKIP}`;
const LONGEST_QUOTE = 200;
/** A detail that repeats so many characters of a secret in a row is not quoted. */
const TELLING_PIECE = 6;

/**
 * The record in a reply to GET, or undefined where the API says in its own words that this tenant has none.
 * Throws MigrateError for everything else: a page of another server is never taken for "no config".
 */
export function readConfig(outcome: Outcome, asked: Asked): ConfigBody | undefined {
  if ('lost' in outcome || (outcome.status !== 200 && outcome.status !== 404)) throw failure(outcome, asked);
  if (outcome.status === 404) {
    if (saysAbsent(outcome, asked)) return undefined;
    throw failure(outcome, asked);
  }
  const { body, exact } = parseObject(outcome);
  if (!exact) {
    const message = `the config at ${asked.address} holds a number that JavaScript cannot hold exactly`;
    throw error('unsupported', message, 'move this config by hand and use --skip-config');
  }
  if (body === undefined) {
    throw error('store', `${asked.address} answers with something that is not a JSON object`, CHECK_URL);
  }
  if (typeof body.tenant_id === 'string' && body.tenant_id !== asked.tenant) {
    throw error('store', `${asked.address} answers with the config of another tenant`, CHECK_URL);
  }
  return body;
}

/** Whether it is the API's own 404: JSON whose `detail.tenant_id` is the tenant. */
export function saysAbsent(outcome: Outcome, asked: Asked): boolean {
  if ('lost' in outcome || outcome.status !== 404) return false;
  const detail = parseObject(outcome).body?.detail;
  return isObject(detail) && detail.tenant_id === asked.tenant;
}

/** What the outcome means as an error, without a word that could be a secret. */
export function failure(outcome: Outcome, asked: Asked): MigrateError {
  if ('lost' in outcome) {
    const message = `the config API does not answer ${asked.method} ${asked.address}: ${outcome.lost}`;
    const next = `check that it runs and --api-url, ${SKIP}`;
    return error('unreachable', message, next, { retryable: true, cause: outcome.cause });
  }
  const { status } = outcome;
  const message = `the config API answers ${asked.method} ${asked.address} with ${status}${quote(outcome, asked)}`;
  if (status === 401 || status === 403) {
    return error('unauthorised', message, `set API_TOKEN to a token that may do this, ${SKIP}`);
  }
  if (status === 404) return error('missing', `${message}, but not as for a tenant without config`, CHECK_URL);
  if (status >= 300 && status < 400) return error('missing', `${message}: a redirect, not followed`, CHECK_URL);
  if (isBusy(status)) return error('unreachable', message, `try again later, ${SKIP}`, { retryable: true });
  return error('store', message, `see the log of the API, ${SKIP}`);
}

/** 429 and what stands before a server that is down or starting. */
export function isBusy(status: number): boolean {
  return status === 429 || status === 502 || status === 503 || status === 504;
}

/** The reply's JSON object, if it is one, and whether each of its numbers is as it was written. */
function parseObject(reply: Reply): { readonly body: ConfigBody | undefined; readonly exact: boolean } {
  let exact = true;
  try {
    const value = parse(reply.text ?? '', undefined, (text) => {
      exact &&= isSafeNumber(text);
      return Number(text);
    });
    return { body: isObject(value) ? value : undefined, exact };
  } catch (cause) {
    if (cause instanceof SyntaxError) return { body: undefined, exact: true };
    throw cause;
  }
}

/** `: <detail>` where the reply has a short text that shows nothing of a secret, else nothing. */
function quote(reply: Reply, asked: Asked): string {
  const detail = parseObject(reply).body?.detail;
  const text = isObject(detail) ? detail.message : detail;
  if (typeof text !== 'string' || text === '' || text.length > LONGEST_QUOTE || showsSecret(text, asked)) return '';
  return `: ${text.replace(/\p{Cc}/gu, ' ')}`;
}

function showsSecret(text: string, asked: Asked): boolean {
  // A long word that is not the tenant's id may be a secret that this program was never told.
  if (text.split(/\s+/).some((word) => word.length >= 24 && !word.includes(asked.tenant))) return true;
  return asked.secrets.some((secret) => {
    for (let at = 0; at + TELLING_PIECE <= secret.length; at += 1) {
      if (text.includes(secret.slice(at, at + TELLING_PIECE))) return true;
    }
    return secret.length < TELLING_PIECE && text.includes(secret);
  });
}

function error(
  code: ErrorCode,
  message: string,
  next: string,
  more: { readonly retryable?: boolean; readonly cause?: unknown } = {},
): MigrateError {
  return new MigrateError(code, message, { stage: 'config', next, ...more });
}

function isObject(value: unknown): value is ConfigBody {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
