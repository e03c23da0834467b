import { type Flag, RUNS } from './flag.ts';

/** Who measures a run from outside. */
export const METRICS_FLAGS: readonly Flag[] = [
  {
    name: 'metrics-file',
    kind: 'text',
    group: 'Metrics',
    help: 'keep metrics in this file, for node_exporter’s textfile collector',
    commands: RUNS,
  },
  {
    name: 'metrics-port',
    kind: 'text',
    group: 'Metrics',
    help: 'serve metrics on this port while the run is at work',
    commands: RUNS,
  },
  {
    name: 'metrics-host',
    kind: 'text',
    group: 'Metrics',
    help: 'address on which that port listens',
    fallback: '127.0.0.1',
    commands: RUNS,
  },
  {
    name: 'pushgateway',
    kind: 'text',
    group: 'Metrics',
    help: 'push metrics to the Pushgateway at this address',
    commands: RUNS,
  },
  {
    name: 'metrics-interval',
    kind: 'text',
    group: 'Metrics',
    help: 'time between two writes of the file, and two pushes, seconds',
    fallback: '5',
    commands: RUNS,
  },
];
