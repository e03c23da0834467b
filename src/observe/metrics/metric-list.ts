/** One metric that a run exports. Every one also has the label `run`. */
export interface Metric {
  readonly name: string;
  readonly kind: 'gauge' | 'counter';
  readonly help: string;
  readonly labels: readonly string[];
}

/** All metrics, in the order in which they are exported. Names and units follow the OpenMetrics conventions. */
export const METRICS = {
  info: {
    name: 'tenant_migrate_run_info',
    kind: 'gauge',
    help: 'What the run is; always 1',
    labels: ['command', 'source', 'target', 'moves', 'host', 'version'],
  },
  started: {
    name: 'tenant_migrate_run_started_timestamp_seconds',
    kind: 'gauge',
    help: 'When this process began with the run',
    labels: [],
  },
  finished: {
    name: 'tenant_migrate_run_finished_timestamp_seconds',
    kind: 'gauge',
    help: 'When this process came to its end; absent until then',
    labels: [],
  },
  running: {
    name: 'tenant_migrate_running',
    kind: 'gauge',
    help: '1 until this process comes to its end',
    labels: [],
  },
  unfinished: {
    name: 'tenant_migrate_unfinished',
    kind: 'gauge',
    help: '1 while the run has written and is neither done nor taken back',
    labels: [],
  },
  exitCode: {
    name: 'tenant_migrate_exit_code',
    kind: 'gauge',
    help: 'Exit code of this process; absent until its end',
    labels: [],
  },
  phase: {
    name: 'tenant_migrate_phase',
    kind: 'gauge',
    help: '1 for the phase in which the run is; none after its end',
    labels: ['phase'],
  },
  stage: {
    name: 'tenant_migrate_stage_active',
    kind: 'gauge',
    help: '1 while the stage writes in this phase',
    labels: ['stage', 'phase'],
  },
  planned: {
    name: 'tenant_migrate_stage_records',
    kind: 'gauge',
    help: 'Records that the stage has set out to work on',
    labels: ['stage'],
  },
  records: {
    name: 'tenant_migrate_records_total',
    kind: 'counter',
    help: 'Records of batches that are done, by what became of them',
    labels: ['stage', 'phase', 'result'],
  },
  retries: {
    name: 'tenant_migrate_retries_total',
    kind: 'counter',
    help: 'Requests that were tried again',
    labels: ['stage'],
  },
  retryDelay: {
    name: 'tenant_migrate_retry_delay_seconds_total',
    kind: 'counter',
    help: 'Time waited before requests were tried again',
    labels: ['stage'],
  },
  duration: {
    name: 'tenant_migrate_stage_duration_seconds',
    kind: 'gauge',
    help: 'Time that the stage took in the phase, once that is over',
    labels: ['stage', 'phase'],
  },
  findings: {
    name: 'tenant_migrate_findings',
    kind: 'gauge',
    help: 'What the run found, at its end',
    labels: ['severity'],
  },
  progressed: {
    name: 'tenant_migrate_last_progress_timestamp_seconds',
    kind: 'gauge',
    help: 'When a batch, a stage or a phase last began or came to its end',
    labels: [],
  },
  updated: {
    name: 'tenant_migrate_updated_timestamp_seconds',
    kind: 'gauge',
    help: 'When these values were written',
    labels: [],
  },
  heap: {
    name: 'tenant_migrate_memory_heap_bytes',
    kind: 'gauge',
    help: 'Heap of JavaScript in use',
    labels: [],
  },
  heapLimit: {
    name: 'tenant_migrate_memory_heap_limit_bytes',
    kind: 'gauge',
    help: 'Heap at which the process would end for lack of memory',
    labels: [],
  },
  resident: {
    name: 'tenant_migrate_memory_resident_bytes',
    kind: 'gauge',
    help: 'Memory that the process holds',
    labels: [],
  },
  residentLimit: {
    name: 'tenant_migrate_memory_limit_bytes',
    kind: 'gauge',
    help: 'Memory that the process may hold: its container’s limit, or the machine’s memory',
    labels: [],
  },
} as const satisfies Readonly<Record<string, Metric>>;

/** What may become of a record; `taken_back` by an undo. */
export const RESULTS = ['moved', 'taken_back', 'skipped', 'conflict', 'failed', 'vanished'] as const;
