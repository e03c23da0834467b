import { errorText } from '../../model/errors.ts';
import type { RunEvent } from '../../report/event.ts';
import type { RunReport } from '../../report/report.ts';
import type { Clock } from '../../stages/stage.ts';
import { receivers, send } from '../send.ts';
import { MetricsFile } from './metrics-file.ts';
import { serveMetrics } from './metrics-server.ts';
import { type Pushgateway, pushOf } from './pushgateway.ts';
import { RunMetrics } from './run-metrics.ts';

/** Where metrics go. */
export interface MetricsSettings {
  readonly file: string | undefined;
  readonly listen: { readonly host: string; readonly port: number } | undefined;
  readonly pushgateway: Pushgateway | undefined;
  readonly intervalMs: number;
  /** Longest wait for the last push. */
  readonly closeMs: number;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly clock: Clock;
  readonly tell: (text: string) => void;
}

/** Measures a run. Throws MigrateError `refused` where file or port cannot be had. */
export async function watchMetrics(settings: MetricsSettings) {
  const { host, version, clock, intervalMs } = settings;
  const metrics = new RunMetrics({ host, version }, clock);
  const file = settings.file === undefined ? undefined : await MetricsFile.at(settings.file, settings.pid);
  const listen = settings.listen;
  const server = listen === undefined ? undefined : await serveMetrics(listen, (format) => metrics.text(format));
  const exporting = exporter(settings, metrics, file);
  const timer = setInterval(exporting.now, intervalMs).unref();
  let began = false;
  return {
    take(event: RunEvent): void {
      metrics.take(event);
      // At once: a process that is killed soon after has left its trace.
      if (metrics.hasBegun && !began) exporting.now();
      began = metrics.hasBegun;
    },
    ended: (report: RunReport) => metrics.ended(report),
    async close(): Promise<void> {
      clearInterval(timer);
      metrics.closed();
      await exporting.last();
      await server?.close();
    },
  };
}

/**
 * Writes the file and pushes, from the first write on: what a run that was refused has to say must not take the place of
 * one that is unfinished. One at a time; a push that fails is made up for by the next.
 */
function exporter({ pushgateway, closeMs, tell }: MetricsSettings, metrics: RunMetrics, file: MetricsFile | undefined) {
  const dispatcher = pushgateway === undefined ? undefined : receivers();
  const giveUp = new AbortController();
  const told = new Set<string>();
  let underWay: Promise<void> | undefined;

  const tellOnce = (what: string, error: unknown) => {
    if (!told.has(what)) tell(`${what}: ${errorText(error)}`);
    told.add(what);
  };
  const write = async () => {
    if (file === undefined) return;
    const text = await metrics.text(file.format);
    await file.write(text).catch((error: unknown) => tellOnce('the metrics file cannot be written', error));
  };
  const push = async (tries: number | undefined) => {
    const { run } = metrics;
    if (pushgateway === undefined || dispatcher === undefined || run === undefined) return;
    const message = pushOf(pushgateway, run, await metrics.text('prometheus'));
    const sending = { dispatcher, signal: giveUp.signal, ...(tries === undefined ? {} : { tries }) };
    await send(message, sending).catch((error: unknown) => {
      // The last one alone matters: what came before is in it.
      if (tries === undefined) tellOnce('the Pushgateway did not take the metrics', error);
    });
  };
  const both = async (tries: number | undefined) => {
    if (!metrics.hasBegun) return;
    // Nobody waits for it but the end: a rejection in between would end the run.
    await Promise.all([write(), push(tries)]).catch((error: unknown) =>
      tellOnce('the metrics cannot be measured', error),
    );
  };
  return {
    now: (): void => {
      underWay ??= both(1).finally(() => {
        underWay = undefined;
      });
    },
    last: async (): Promise<void> => {
      const timer = setTimeout(() => giveUp.abort(), closeMs);
      await underWay;
      await both(undefined);
      clearTimeout(timer);
      await dispatcher?.destroy();
    },
  };
}
