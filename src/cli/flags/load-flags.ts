import { CONNECTS, type Flag, RUNS, WRITES } from './flag.ts';

export const LOAD_FLAGS: readonly Flag[] = [
  {
    name: 'rate',
    kind: 'text',
    group: 'Load',
    help: 'most records written a second: 5000, redis=20000,qdrant=500, 500points/s, or none',
    commands: RUNS,
  },
  {
    name: 'concurrency',
    kind: 'text',
    group: 'Load',
    help: 'requests under way at once, in place of what each stage finds fitting',
    commands: WRITES,
  },
  {
    name: 'retries',
    kind: 'text',
    group: 'Load',
    help: 'how often a request is made again after a failure that may pass',
    fallback: '3',
    commands: CONNECTS,
  },
  {
    name: 'retry-delay',
    kind: 'text',
    group: 'Load',
    help: 'wait before the first of them, such as 500ms, 1s or 2m',
    fallback: '1s',
    commands: CONNECTS,
  },
  {
    name: 'retry-backoff',
    kind: 'text',
    group: 'Load',
    help: 'by how much each further wait is longer than the one before',
    fallback: '2',
    commands: CONNECTS,
  },
];
