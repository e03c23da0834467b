import type { Writable } from 'node:stream';
import type { ChalkInstance } from 'chalk';
import type { ListrTaskWrapper } from 'listr2';
import { errorText } from '../model/errors.ts';
import { movesText } from '../model/move.ts';
import type { Clock, StageName } from '../stages/stage.ts';
import type { RunEvent } from './event.ts';
import { failedRecordLines } from './failed-records.ts';
import { clean, count, duration, STAGE_TITLES, units } from './format.ts';
import { planText } from './plan-text.ts';
import { Rate } from './rate.ts';

interface LiveOptions {
  readonly stream: Writable & { readonly columns?: number };
  readonly paint: ChalkInstance;
  readonly clock: Clock;
  /** The plan is the command's result and is printed elsewhere. */
  readonly planIsResult: boolean;
}

// biome-ignore lint/suspicious/noExplicitAny: the renderer's types do not matter to a title and a line of output
type AnyTask = ListrTaskWrapper<any, any, any>;

/** A line on the display: what it waits for and what it shows. */
interface Item {
  readonly ended: Promise<void>;
  end(error?: Error): void;
  /** True from its end on: then it can no longer show anything. */
  over: boolean;
  task?: AnyTask;
  /** Kept here too, since a quick stage may be over before its line is drawn. */
  title: string;
}

/** A display that must be closed: while it is drawn, the process does not end. */
export interface LiveReporter {
  take(event: RunEvent): void;
  /** Ends every line, waits until the last is drawn, then names the failed records. Never rejects. */
  close(): Promise<void>;
}

/**
 * A live list of the stages for a terminal, made of the same events as the plain lines. It rests while a question
 * is asked, since it is drawn only from `apply` on.
 */
export function liveReporter(options: LiveOptions): LiveReporter {
  const { stream, paint, clock } = options;
  const items = new Map<string, Item>();
  const rates = new Map<StageName, Rate>();
  let moves = '';
  const failedLine = failedRecordLines(paint);
  const failedLines: string[] = [];
  let drawing: Promise<void> | undefined;
  const write = (line: string) => stream.write(`${line}\n`);
  const show = (name: string, text: string) => {
    const item = items.get(name);
    // A line that has ended takes no more output: the renderer throws, which would end the move.
    if (item?.task !== undefined && !item.over) item.task.output = text;
  };
  const end = (name: string, title?: string, error?: Error) => {
    const item = items.get(name);
    if (item === undefined) return;
    item.title = title ?? item.title;
    if (item.task !== undefined) item.task.title = item.title;
    item.end(error);
  };

  const draw = async (stages: readonly StageName[]) => {
    for (const name of [...stages, 'verify', 'finalize']) items.set(name, makeItem(titleOf(name, moves)));
    const { DefaultRenderer, Listr, ListrLogger, ProcessOutput } = await import('listr2');
    /** Left to itself it looks at stdout, and where that is a pipe writes other lines into it: `--json > report.json`. */
    class RendererOfStream extends DefaultRenderer {
      static override nonTTY = true;
    }
    const tasks = [...items.values()].map((item) => ({
      title: item.title,
      task: (_: unknown, task: AnyTask) => {
        item.task = task;
        task.title = item.title;
        return item.ended;
      },
    }));
    const output = new ProcessOutput(stream as NodeJS.WriteStream, stream as NodeJS.WriteStream);
    const list = new Listr(tasks, {
      renderer: RendererOfStream,
      concurrent: true,
      exitOnError: false,
      collectErrors: false,
      rendererOptions: { logger: new ListrLogger({ processOutput: output }), collapseErrors: false },
    });
    await list.run();
  };

  const close = async () => {
    for (const item of items.values()) item.end();
    await drawing;
    // What is said from here on must not draw the list again.
    items.clear();
    for (const line of failedLines.splice(0)) write(line);
  };

  const take = (event: RunEvent): void => {
    switch (event.type) {
      case 'run-started':
        moves = clean(movesText(event.moves));
        write(paint.bold(`Tenant Data Migration: ${moves}`));
        if (event.continuing) write(`Continuing run ${event.runId}`);
        return;
      case 'planned':
        if (!options.planIsResult) write(`\n${planText(event.plan, event, paint)}\n`);
        return;
      case 'run-note':
        if (drawing === undefined) write(`  ${clean(event.text)}`);
        return;
      case 'phase':
        // Caught at once: a display that cannot be drawn is no reason to end a move in its middle.
        if (event.phase === 'apply')
          drawing = draw(event.stages).catch((error: unknown) => {
            write(paint.yellow(`the live display ended: ${clean(errorText(error))}`));
          });
        // After finalize it is compared once more: that is the last line's.
        if (event.phase === 'verify')
          show(items.get('verify')?.over ? 'finalize' : 'verify', 'comparing with the plan');
        if (event.phase === 'finalize') end('verify');
        return;
      case 'total':
        rates.set(event.stage, new Rate(clock.now()));
        show(event.stage, `${units(event.total, event.unit)} to move`);
        return;
      case 'progress':
        show(event.stage, progressText(event, rates.get(event.stage), clock.now()));
        return;
      case 'note':
        show(event.stage, clean(event.text));
        return;
      case 'retry':
        show(
          event.stage,
          paint.yellow(`try ${event.attempt} failed (${clean(event.reason)}), again in ${duration(event.delayMs)}`),
        );
        return;
      case 'stage-finished':
        if (event.phase !== 'apply') return;
        if (event.row.status === 'failed') {
          const { failed } = event.row;
          end(event.stage, undefined, new Error(failed > 0 ? `${count(failed)} failed` : 'failed'));
        } else
          end(
            event.stage,
            `${titleOf(event.stage, moves)} ${paint.dim(`${units(event.row.moved, event.row.unit)} in ${duration(event.row.phases.apply ?? 0)}`)}`,
          );
        return;
      case 'stopping': {
        const text = paint.yellow(`${event.signal}: finishing what is under way, then stopping`);
        write(`\n${text}`);
        // While the list is drawn, other lines wait for its end: who pressed Ctrl-C would press it again.
        for (const name of ['verify', 'finalize']) show(name, text);
        return;
      }
      case 'record-failed': {
        const line = failedLine(event);
        if (line !== undefined) failedLines.push(line);
        return;
      }
      case 'run-finished': {
        const failed = event.report.exitCode !== 0;
        for (const [name, item] of items)
          item.end(failed && name === 'verify' ? new Error(clean(event.report.message)) : undefined);
        return;
      }
      default:
        return;
    }
  };
  return { take, close };
}

function titleOf(name: string, moves: string): string {
  if (name === 'verify') return 'Verify';
  if (name === 'finalize') return 'Finalize';
  return `${STAGE_TITLES[name as StageName].short}: ${moves}`;
}

function progressText({ done, total }: { done: number; total: number }, rate: Rate | undefined, now: number): string {
  rate?.update(done, now);
  const percent = total === 0 ? 0 : Math.min(99, Math.floor((done / total) * 100));
  const eta = rate?.etaMs(total);
  const pace = rate?.perSecond === undefined ? '' : `  ${count(rate.perSecond)}/s  ETA ${duration(eta ?? 0)}`;
  return `${count(done)}/${count(total)} (${percent}%)${pace}`;
}

function makeItem(title: string): Item {
  let resolve: () => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const ended = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // The list awaits it only once it has started that line; until then nobody does.
  ended.catch(() => undefined);
  const item: Item = {
    title,
    ended,
    over: false,
    end(error) {
      item.over = true;
      if (error === undefined) resolve();
      else reject(error);
    },
  };
  return item;
}
