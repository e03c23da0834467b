import { PassThrough, Writable } from 'node:stream';
import { envName } from '../cli/flags.ts';
import type { CommandContext, Invocation, RunListener } from '../cli/invocation.ts';
import { errorText, MigrateError, stopReason } from '../model/errors.ts';
import type { RunCommand, RunPlan, RunReport } from '../report/report.ts';
import { EventQueue } from './event-queue.ts';
import { invocationOf, type Told } from './invocation-of.ts';
import type { CommonOptions, WriteOptions } from './options.ts';
import type { Run } from './run.ts';

/** Begins one of the commands that make a run. Nothing is printed, and neither signals nor exit code are touched. */
export function begin(
  command: RunCommand,
  options: CommonOptions & Pick<WriteOptions, 'confirm'>,
  plan?: RunPlan,
): Run {
  const queue = new EventQueue();
  const result = carriedOut(command, { options, plan, queue });
  result.then(
    () => queue.end(),
    (error: unknown) => queue.end(error),
  );
  const [report, planned] = [result.then((ended) => ended.report), result.then((ended) => ended.plan)];
  // Whoever takes events alone gets the error there: it must not end the process as one that nobody took.
  report.catch(() => undefined);
  planned.catch(() => undefined);
  return { report, plan: planned, [Symbol.asyncIterator]: () => queue.take() };
}

interface Work {
  readonly options: CommonOptions & Pick<WriteOptions, 'confirm'>;
  readonly plan: RunPlan | undefined;
  readonly queue: EventQueue;
}

interface Ended {
  readonly report: RunReport;
  readonly plan: RunPlan | undefined;
}

async function carriedOut(command: RunCommand, { options, plan, queue }: Work): Promise<Ended> {
  const told = invocationOf(command, options);
  let ended: Ended | undefined;
  const { confirm, signal } = options;
  const listener: RunListener = {
    take: (event) => queue.push(event),
    finish: (report, made) => {
      ended = { report, plan: made };
    },
    ...(plan === undefined ? {} : { plan }),
    ...(confirm === undefined ? {} : { confirm: async (made) => (await confirm(made)) === true }),
  };
  const stop = new AbortController();
  const onAbort = () => stop.abort(stopReason(`the caller (${errorText(signal?.reason)})`));
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    await run(told.invocation, contextOf(told, { listener, stop }));
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
  if (ended === undefined) throw new MigrateError('internal', `${command} ended without a report`);
  return ended;
}

/** Loaded only now: who imports the library for its types and errors pays for no driver. */
async function run(invocation: Invocation, ctx: CommandContext): Promise<number> {
  if (invocation.command === 'rollback')
    return (await import('../cli/rollback-command.ts')).rollbackCommand(invocation, ctx);
  return (await import('../cli/run-command.ts')).runCommand(invocation, ctx);
}

/** A terminal on which nothing is shown and nobody answers; without a settings file that lies about, unless one is named. */
function contextOf(
  { env, argv }: Told,
  { listener, stop }: { readonly listener: RunListener; readonly stop: AbortController },
): CommandContext {
  const nowhere = () => new Writable({ write: (_chunk, _encoding, done) => done() });
  return {
    terminal: {
      stdin: new PassThrough().end(),
      stdout: nowhere(),
      stderr: nowhere(),
      env: { [envName('config')]: 'none', ...env },
    },
    argv,
    signal: stop.signal,
    interrupt: (by) => stop.abort(stopReason(by)),
    listener,
  };
}
