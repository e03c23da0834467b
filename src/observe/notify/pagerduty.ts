import type { Message } from '../send.ts';
import type { Notice } from './notice.ts';
import { shorten } from './shorten.ts';

const MOST_SUMMARY = 1_024;
const MOST_DETAIL = 2_000;

interface PagerDuty {
  readonly url: string;
  readonly routingKey: string;
}

/**
 * An incident where a run is left unfinished; it is resolved by whoever finishes the run or takes it back. The run's id is
 * the key of both. Undefined where there is nothing to do for whoever is on call.
 */
export function pagerDutyMessage(notice: Notice, { url, routingKey }: PagerDuty): Message | undefined {
  const action = actionOf(notice);
  if (action === undefined) return undefined;
  const event = {
    routing_key: routingKey,
    event_action: action,
    dedup_key: `tenant-migrate/${notice.run}`,
    ...(action === 'resolve' ? {} : { client: 'tenant-migrate', payload: payloadOf(notice) }),
  };
  return { url, method: 'POST', headers: () => ({ 'content-type': 'application/json' }), body: JSON.stringify(event) };
}

function actionOf({ occasion, unfinished, wasUnfinished, run }: Notice): 'trigger' | 'resolve' | undefined {
  if (run === 'none') return undefined;
  if (occasion === 'failure') return unfinished ? 'trigger' : undefined;
  return occasion !== 'start' && wasUnfinished && !unfinished ? 'resolve' : undefined;
}

function payloadOf(notice: Notice) {
  const details = notice.facts.map(([label, value]) => [label.toLowerCase(), shorten(value, MOST_DETAIL)]);
  return {
    summary: shorten(notice.title, MOST_SUMMARY),
    source: notice.host,
    severity: notice.severity,
    timestamp: notice.at,
    component: 'tenant-migrate',
    group: 'tenant moves',
    class: notice.report?.outcome ?? 'failed',
    custom_details: Object.fromEntries(details),
  };
}
