import { type Flag, RUNS } from './flag.ts';

export const PROBE_FLAGS: readonly Flag[] = [
  {
    name: 'probe',
    kind: 'list',
    group: 'Load',
    help: 'slow, pause or end by what it sees, such as redis-latency:slow=20ms,pause=100ms; stores for all (may be given again)',
    commands: RUNS,
  },
  {
    name: 'probe-interval',
    kind: 'text',
    group: 'Load',
    help: 'time between two looks of a probe, seconds',
    fallback: '1',
    commands: RUNS,
  },
];
