import {
  type Context,
  context as contexts,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import type { RunEvent, RunPhase } from '../../report/event.ts';
import { clean } from '../../report/format.ts';
import type { RunReport, StageRow } from '../../report/report.ts';
import type { StageName } from '../../stages/stage.ts';

const LONGEST_FLUSH_MS = 5_000;

interface Traced {
  readonly command: string;
  readonly version: string;
  /** What the caller's trace says of itself, such as `traceparent`. */
  readonly parent: Readonly<Record<string, string>>;
}

/**
 * Spans with the user's own SDK: command → run → phase → stage. A command has several runs where it takes one back, or
 * moves a list in waves.
 */
export function watchTraces({ command, version, parent }: Traced) {
  const tracer = trace.getTracer('tenant-migrate', version);
  const outside = propagation.extract(contexts.active() ?? ROOT_CONTEXT, parent);
  const open: { run?: Span | undefined; phase?: Span | undefined; stage?: Span | undefined } = {};
  const begin = (name: string, within: Span | undefined, attributes: Record<string, string | number | boolean>) => {
    const under: Context = within === undefined ? outside : trace.setSpan(outside, within);
    return tracer.startSpan(name, { attributes }, under);
  };
  const whole = begin(`tenant-migrate ${command}`, undefined, { 'tenant_migrate.command': command });
  const endPhase = () => {
    open.stage?.end();
    open.phase?.end();
    open.stage = undefined;
    open.phase = undefined;
  };
  const endRun = () => {
    endPhase();
    open.run?.end();
    open.run = undefined;
  };

  return {
    take(event: RunEvent): void {
      switch (event.type) {
        case 'run-started':
          endRun();
          open.run = begin(`run ${event.command}`, whole, runAttributes(event));
          return;
        case 'phase':
          endPhase();
          open.phase = begin(event.phase, open.run, { 'tenant_migrate.phase': event.phase });
          return;
        case 'stage-started':
          open.stage?.end();
          open.stage = begin(`${event.phase} ${event.stage}`, open.phase ?? open.run, stageAttributes(event));
          return;
        case 'retry':
          (open.stage ?? open.phase ?? open.run)?.addEvent('retry', {
            'tenant_migrate.stage': event.stage,
            'tenant_migrate.attempt': event.attempt,
            'tenant_migrate.reason': clean(event.reason),
          });
          return;
        case 'stage-finished':
          if (open.stage !== undefined) endStage(open.stage, event.row);
          open.stage = undefined;
          return;
        case 'stopping':
          open.run?.addEvent('stopping', { 'tenant_migrate.signal': clean(event.signal) });
          return;
        case 'run-finished':
          endPhase();
          if (open.run !== undefined) describeEnd(open.run, event.report);
          endRun();
          return;
        default:
          return;
      }
    },
    ended: (report: RunReport) => describeEnd(whole, report),
    async close(): Promise<void> {
      endRun();
      whole.end();
      await flush();
    },
  };
}

function runAttributes(event: Extract<RunEvent, { type: 'run-started' }>) {
  const [only] = event.moves;
  const named = event.moves.length === 1 && only !== undefined;
  return {
    'tenant_migrate.run': event.runId,
    'tenant_migrate.command': event.command,
    'tenant_migrate.dry_run': event.dryRun,
    'tenant_migrate.moves': event.moves.length,
    ...(named ? { 'tenant_migrate.source': only.source, 'tenant_migrate.target': only.target } : {}),
    ...(event.map === undefined ? {} : { 'tenant_migrate.list': event.map.id, 'tenant_migrate.wave': event.map.wave }),
  };
}

function stageAttributes({ stage, phase }: { readonly stage: StageName; readonly phase: RunPhase }) {
  return { 'tenant_migrate.stage': stage, 'tenant_migrate.phase': phase };
}

function endStage(span: Span, row: StageRow): void {
  span.setAttributes({
    'tenant_migrate.status': row.status,
    'tenant_migrate.moved': row.moved,
    'tenant_migrate.skipped': row.skipped,
    'tenant_migrate.conflicts': row.conflicts,
    'tenant_migrate.failed': row.failed,
    'tenant_migrate.vanished': row.vanished,
  });
  const failed = row.status === 'failed' || row.status === 'undo-failed';
  span.setStatus(failed ? { code: SpanStatusCode.ERROR, message: row.status } : { code: SpanStatusCode.OK });
  span.end();
}

function describeEnd(span: Span, report: RunReport): void {
  const { outcome, exitCode, error, message } = report;
  span.setAttributes({ 'tenant_migrate.outcome': outcome, 'tenant_migrate.exit_code': exitCode });
  if (error !== null) span.recordException({ name: outcome, message: clean(error) });
  const failed = exitCode !== 0;
  span.setStatus(failed ? { code: SpanStatusCode.ERROR, message: clean(message) } : { code: SpanStatusCode.OK });
}

/** A batching exporter has no other moment: the process ends as soon as nothing is left to do. */
async function flush(): Promise<void> {
  const provider = trace.getTracerProvider() as { getDelegate?: () => unknown };
  const own = (provider.getDelegate?.() ?? provider) as { forceFlush?: () => Promise<void> };
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, LONGEST_FLUSH_MS);
  });
  await Promise.race([own.forceFlush?.(), bound]).finally(() => clearTimeout(timer));
}
