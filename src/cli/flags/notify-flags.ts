import { type Flag, RUNS } from './flag.ts';

/** Who is told of a run. */
export const NOTIFY_FLAGS: readonly Flag[] = [
  {
    name: 'notify',
    kind: 'text',
    group: 'Notifications',
    help: 'whom to tell of the run: webhook, slack, pagerduty, mail, or several with commas between',
    commands: RUNS,
  },
  {
    name: 'notify-on',
    kind: 'text',
    group: 'Notifications',
    help: 'what to tell: start, finish, failure, rollback, or several with commas between',
    fallback: 'finish,failure,rollback',
    commands: RUNS,
  },
  {
    name: 'notify-timeout',
    kind: 'text',
    group: 'Notifications',
    help: 'longest wait at the run’s end for what is yet to be delivered, seconds',
    fallback: '10',
    commands: RUNS,
  },
  {
    name: 'pagerduty-url',
    kind: 'text',
    group: 'Notifications',
    help: 'address of the PagerDuty Events API',
    fallback: 'https://events.pagerduty.com/v2/enqueue',
    commands: RUNS,
  },
  {
    name: 'mail-to',
    kind: 'text',
    group: 'Notifications',
    help: 'who gets mail: an address, or several with commas between',
    commands: RUNS,
  },
  {
    name: 'mail-from',
    kind: 'text',
    group: 'Notifications',
    help: 'sender of the mail; the first receiver where absent',
    commands: RUNS,
  },
];
