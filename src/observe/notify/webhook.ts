import { createHmac } from 'node:crypto';
import { errorText } from '../../model/errors.ts';
import type { Message } from '../send.ts';
import type { Notice } from './notice.ts';

/** A longer list is told by its number. */
const MOST_MOVES = 100;

interface Webhook {
  readonly url: string;
  /** Signs each message where given. */
  readonly secret: string | undefined;
  /** Ms since the epoch. */
  readonly now: () => number;
}

/** A notice as JSON of our own, signed as `t=<seconds>,v1=<HMAC-SHA256 of "seconds.body", hex>`. */
export function webhookMessage(notice: Notice, { url, secret, now }: Webhook): Message {
  const body = JSON.stringify(documentOf(notice));
  return {
    url,
    method: 'POST',
    headers: () => ({
      'content-type': 'application/json; charset=utf-8',
      'user-agent': `tenant-migrate/${notice.toolVersion}`,
      'x-tenant-migrate-event': notice.occasion,
      'x-tenant-migrate-delivery': notice.id,
      ...(secret === undefined ? {} : { 'x-tenant-migrate-signature': signature(secret, body, now()) }),
    }),
    body,
  };
}

function signature(secret: string, body: string, now: number): string {
  const seconds = Math.floor(now / 1_000);
  return `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`;
}

/** What became of the run, in few words; the whole report stays in the run folder. */
export function documentOf({ report, error: thrown, ...notice }: Notice) {
  const error = thrown === undefined ? null : errorText(thrown);
  return {
    schema: 'tenant-migrate/notification@1',
    id: notice.id,
    event: notice.occasion,
    severity: notice.severity,
    title: notice.title,
    at: notice.at,
    run: notice.run,
    command: notice.command,
    host: notice.host,
    toolVersion: notice.toolVersion,
    moves: notice.moves.slice(0, MOST_MOVES),
    moveCount: notice.moves.length,
    unfinished: notice.unfinished,
    outcome: report?.outcome ?? null,
    exitCode: report?.exitCode ?? null,
    ms: report?.ms ?? null,
    stages: (report?.stages ?? []).map(({ name, status, unit, found, moved, skipped, conflicts, failed }) => {
      return { name, status, unit, found, moved, skipped, conflicts, failed };
    }),
    message: report?.message ?? error,
    error: report?.error ?? error,
    next: report?.next ?? null,
  };
}
