import { Counter, Gauge, Registry } from 'prom-client';
import type { Move } from '../../model/move.ts';
import type { RunEvent, RunPhase } from '../../report/event.ts';
import type { Outcome, RunReport, StageRow } from '../../report/report.ts';
import type { Checkpoint, Clock, StageName } from '../../stages/stage.ts';
import { memoryNow } from './memory.ts';
import { METRICS, type Metric, RESULTS } from './metric-list.ts';

type MetricKey = keyof typeof METRICS;

/** After these nothing is left to do. */
const CLOSED: ReadonlySet<Outcome> = new Set(['done', 'nothing-to-do', 'rolled-back', 'undone']);
const WRITES: ReadonlySet<RunPhase> = new Set(['apply', 'finalize', 'undo']);

/** The metrics of one command's run, from its events. A dry run has none. */
export class RunMetrics {
  readonly #registry = new Registry();
  readonly #gauges = new Map<MetricKey, Gauge>();
  readonly #counters = new Map<MetricKey, Counter>();
  readonly #clock: Clock;
  readonly #about: { readonly host: string; readonly version: string };
  #run: string | undefined;
  #isList = false;
  #watching = false;
  #hasBegun = false;
  #unfinished = false;

  constructor(about: { readonly host: string; readonly version: string }, clock: Clock) {
    this.#about = about;
    this.#clock = clock;
    for (const [key, metric] of Object.entries(METRICS) as [MetricKey, Metric][]) {
      const { name, help, labels } = metric;
      // With a label in each, none is exported as 0 before it is known.
      const settings = { name, help, labelNames: ['run', ...labels], registers: [this.#registry] };
      if (metric.kind === 'gauge') this.#gauges.set(key, new Gauge(settings));
      else this.#counters.set(key, new Counter(settings));
    }
  }

  /** The run at work, or the list that it is a wave of; undefined before there is one. */
  get run(): string | undefined {
    return this.#run;
  }

  /** The run has written something, now or in an earlier process: from here on its end matters to others. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  take(event: RunEvent): void {
    if (event.type === 'run-started') this.#start(event);
    if (!this.#watching) return;
    switch (event.type) {
      case 'phase':
        this.#gauges.get('phase')?.reset();
        this.#set('phase', 1, { phase: event.phase });
        break;
      case 'stage-started':
        this.#enter(event.stage, event.phase);
        break;
      case 'total':
        this.#set('planned', event.total, { stage: event.stage });
        return;
      case 'batch':
        this.#count(event.stage, event.phase, event.checkpoint);
        break;
      case 'retry':
        this.#inc('retries', 1, { stage: event.stage });
        this.#inc('retryDelay', event.delayMs / 1_000, { stage: event.stage });
        return;
      case 'stage-finished':
        this.#gauges.get('stage')?.reset();
        this.#durations([event.row]);
        break;
      case 'run-started':
      case 'planned':
        break;
      case 'run-finished':
        this.#durations(event.report.stages);
        if (!this.#isList && event.unfinished !== undefined) this.#open(event.unfinished);
        break;
      default:
        return;
    }
    this.#set('progressed', this.#now());
  }

  /** The command has ended with this report. */
  ended(report: RunReport): void {
    if (this.#run === undefined) return;
    if (this.#isList && CLOSED.has(report.outcome)) this.#open(false);
    this.#set('exitCode', report.exitCode);
    for (const severity of ['difference', 'notice'] as const) {
      const found = report.findings.filter((finding) => finding.severity === severity);
      this.#set('findings', found.length, { severity });
    }
  }

  /** The process comes to its end. */
  closed(): void {
    if (this.#run === undefined) return;
    this.#gauges.get('phase')?.reset();
    this.#gauges.get('stage')?.reset();
    this.#set('running', 0);
    this.#set('finished', this.#now());
  }

  /** All that is known, in the format that is asked for. */
  async text(format: 'prometheus' | 'openmetrics'): Promise<string> {
    const { heap, heapLimit, resident, residentLimit } = memoryNow();
    this.#set('heap', heap);
    this.#set('heapLimit', heapLimit);
    this.#set('resident', resident);
    this.#set('residentLimit', residentLimit);
    this.#set('updated', this.#now());
    const text = await this.#registry.metrics();
    return format === 'prometheus' ? text : asOpenMetrics(text);
  }

  #start({ runId, dryRun, command, moves, open, map }: Extract<RunEvent, { type: 'run-started' }>): void {
    // A list is looked at as a whole before its first wave: that is a dry run.
    this.#watching = !dryRun;
    if (dryRun) return;
    this.#isList = map !== undefined;
    const isNew = this.#run === undefined;
    if (isNew) for (const gauge of this.#gauges.values()) gauge.reset();
    this.#run = map?.id ?? runId;
    this.#gauges.get('info')?.reset();
    this.#set('info', 1, { command, ...ends(moves, map !== undefined), ...this.#about });
    if (isNew) this.#set('started', this.#now());
    this.#set('running', 1);
    const wasOpen = open === true || (map?.wave ?? 1) > 1 || this.#unfinished;
    this.#hasBegun ||= wasOpen;
    this.#open(wasOpen);
  }

  #enter(stage: StageName, phase: RunPhase): void {
    this.#gauges.get('stage')?.reset();
    this.#set('stage', 1, { stage, phase });
    // From 0 on, so that the first increase is seen as one.
    const impossible = phase === 'undo' ? 'moved' : 'taken_back';
    for (const result of RESULTS) if (result !== impossible) this.#inc('records', 0, { stage, phase, result });
    this.#inc('retries', 0, { stage });
    if (WRITES.has(phase)) {
      this.#hasBegun = true;
      this.#open(true);
    }
  }

  #count(stage: StageName, phase: RunPhase, checkpoint: Checkpoint): void {
    const { moved, skipped = 0, conflicts = 0, failed = 0, vanished = 0 } = checkpoint;
    const counts = {
      [phase === 'undo' ? 'taken_back' : 'moved']: moved,
      skipped,
      conflict: conflicts,
      failed,
      vanished,
    };
    for (const [result, count] of Object.entries(counts)) this.#inc('records', count, { stage, phase, result });
  }

  #durations(rows: readonly StageRow[]): void {
    for (const { name, phases } of rows) {
      for (const [phase, ms] of Object.entries(phases)) this.#set('duration', ms / 1_000, { stage: name, phase });
    }
  }

  #open(unfinished: boolean): void {
    this.#unfinished = unfinished;
    this.#set('unfinished', unfinished ? 1 : 0);
  }

  #set(key: MetricKey, value: number, labels: Readonly<Record<string, string>> = {}): void {
    this.#gauges.get(key)?.set({ run: this.#run ?? '', ...labels }, value);
  }

  #inc(key: MetricKey, by: number, labels: Readonly<Record<string, string>>): void {
    this.#counters.get(key)?.inc({ run: this.#run ?? '', ...labels }, by);
  }

  #now(): number {
    return this.#clock.now() / 1_000;
  }
}

/** Names of tenants stand in this one series alone, and only where there is one move: each name makes a new series. */
function ends(moves: readonly Move[], isList: boolean): Readonly<Record<'source' | 'target' | 'moves', string>> {
  const [only] = moves;
  const named = only !== undefined && moves.length === 1 && !isList;
  return {
    source: named ? only.source : '',
    target: named ? only.target : '',
    moves: isList ? 'list' : String(moves.length),
  };
}

/** The library's own way renames the counters for good: afterwards the other format would lack their `_total`. */
function asOpenMetrics(text: string): string {
  const lines = text.split('\n').filter((line) => line !== '');
  return [...lines.map((line) => line.replace(/^(# (?:HELP|TYPE) \S+)_total /, '$1 ')), '# EOF', ''].join('\n');
}
