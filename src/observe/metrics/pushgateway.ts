import type { Message } from '../send.ts';

/** The Prometheus Pushgateway, and how one logs in there. */
export interface Pushgateway {
  readonly url: string;
  /** A whole `Authorization` header. */
  readonly authorization: string | undefined;
}

/** Replaces all that was pushed of this run before. A run that is resumed elsewhere is the same group. */
export function pushOf({ url, authorization }: Pushgateway, run: string, text: string): Message {
  const headers = {
    'content-type': 'text/plain; version=0.0.4; charset=utf-8',
    ...(authorization === undefined ? {} : { authorization }),
  };
  return {
    url: `${url.replace(/\/+$/, '')}/metrics/job/tenant_migrate/run/${encodeURIComponent(run)}`,
    method: 'PUT',
    headers: () => headers,
    body: text,
  };
}
