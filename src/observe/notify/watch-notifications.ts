import { randomUUID } from 'node:crypto';
import type { Dispatcher } from 'undici';
import type { Move } from '../../model/move.ts';
import type { RunEvent, RunPhase } from '../../report/event.ts';
import type { RunReport } from '../../report/report.ts';
import type { Clock } from '../../stages/stage.ts';
import { type Message, receivers, send } from '../send.ts';
import type { Mail } from './mail.ts';
import { type About, brokenNotice, endNotice, type Notice, type Occasion, startNotice } from './notice.ts';
import { type Channel, Outbox } from './outbox.ts';
import { pagerDutyMessage } from './pagerduty.ts';
import { slackMessage } from './slack.ts';
import { webhookMessage } from './webhook.ts';

/** Whom to tell, and what. */
export interface NotifySettings {
  readonly webhook: { readonly url: string; readonly secret: string | undefined } | undefined;
  readonly slack: { readonly url: string } | undefined;
  readonly pagerDuty: { readonly url: string; readonly routingKey: string } | undefined;
  readonly mail: Mail | undefined;
  readonly on: readonly Occasion[];
  /** Longest wait at the end, ms. */
  readonly closeMs: number;
  readonly command: string;
  /** The moves of a list of several waves. */
  readonly list: readonly Move[] | undefined;
  readonly host: string;
  readonly version: string;
  readonly clock: Clock;
  readonly tell: (text: string) => void;
}

const WRITES: ReadonlySet<RunPhase> = new Set(['apply', 'finalize', 'undo']);

/** Tells of a run that writes: of its first write, and of the command's end. */
export function watchNotifications(settings: NotifySettings) {
  const { on, command, list, host, version, clock } = settings;
  const dispatcher = receivers();
  const outbox = new Outbox(channels(settings, dispatcher), settings.tell);
  let run: { id: string; moves: readonly Move[]; unfinished: boolean } | undefined;
  let wasUnfinished = false;
  let started = false;
  let isOver = false;

  const about = (report?: RunReport): About => ({
    id: randomUUID(),
    run: report?.runId ?? run?.id ?? 'none',
    command,
    moves: list ?? run?.moves ?? report?.moves ?? [],
    at: new Date(clock.now()).toISOString(),
    host,
    toolVersion: version,
    unfinished: run?.unfinished ?? false,
    wasUnfinished,
  });
  const tell = (notice: Notice | undefined) => {
    if (notice !== undefined && isWanted(notice, on)) outbox.add(notice);
  };

  return {
    take(event: RunEvent): void {
      if (event.type === 'run-started' && !event.dryRun) {
        const { moves, map } = event;
        const open = event.open === true || (map?.wave ?? 1) > 1;
        if (run === undefined) wasUnfinished = open;
        run = { id: map?.id ?? event.runId, moves, unfinished: open || (run?.unfinished ?? false) };
      } else if (event.type === 'stage-started' && WRITES.has(event.phase) && run !== undefined) {
        run.unfinished = true;
        if (!started) tell(startNotice(about()));
        started = true;
      } else if (event.type === 'run-finished' && list === undefined && run !== undefined) {
        run.unfinished = event.unfinished ?? run.unfinished;
      }
    },
    ended(report: RunReport): void {
      isOver = true;
      const closed = ['done', 'nothing-to-do', 'rolled-back', 'undone'].includes(report.outcome);
      if (list !== undefined && closed && run !== undefined) run.unfinished = false;
      tell(endNotice(about(report), report));
    },
    broke(error: unknown): void {
      isOver = true;
      tell(brokenNotice(about(), error));
    },
    async close(): Promise<void> {
      if (started && !isOver) tell(brokenNotice(about()));
      await outbox.close(settings.closeMs);
      await dispatcher.destroy();
    },
  };
}

/** A move that failed and was taken back at once is both. */
function isWanted({ occasion, report }: Notice, on: readonly Occasion[]): boolean {
  return on.includes(occasion) || (report?.outcome === 'undone' && on.includes('failure'));
}

function channels(settings: NotifySettings, dispatcher: Dispatcher): readonly Channel[] {
  const { webhook, slack, pagerDuty, mail, clock } = settings;
  const http = (name: string, url: string, messageOf: (notice: Notice) => Message | undefined): Channel => ({
    name: `${name} (${new URL(url).host})`,
    deliver: async (notice, signal) => {
      const message = messageOf(notice);
      if (message !== undefined) await send(message, { dispatcher, signal });
    },
  });
  const now = () => clock.now();
  return [
    ...(webhook === undefined
      ? []
      : [http('the webhook', webhook.url, (notice) => webhookMessage(notice, { ...webhook, now }))]),
    ...(slack === undefined ? [] : [http('Slack', slack.url, (notice) => slackMessage(notice, slack.url))]),
    ...(pagerDuty === undefined
      ? []
      : [http('PagerDuty', pagerDuty.url, (notice) => pagerDutyMessage(notice, pagerDuty))]),
    ...(mail === undefined ? [] : [mailChannel(mail)]),
  ];
}

function mailChannel(mail: Mail): Channel {
  return {
    name: `mail (${new URL(mail.url).host})`,
    deliver: async (notice, signal) => (await import('./mail.ts')).sendMail(notice, mail, signal),
  };
}
