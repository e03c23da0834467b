import { errorText } from '../model/errors.ts';
import type { RunEvent } from '../report/event.ts';
import { clean, count } from '../report/format.ts';
import type { CommandContext } from './invocation.ts';
import type { Settings } from './settings.ts';
import { stderrLog } from './stderr-log.ts';

const HEARTBEAT_MS = 10_000;

/** Tells on stderr what the stages say, and every ten seconds how far they are. */
export async function startTelling(settings: Settings, ctx: CommandContext, did: string) {
  const log = settings['log-format'] === 'json' ? await stderrLog(ctx, settings) : undefined;
  const write = (line: string) => {
    if (log !== undefined) log.take({ type: 'run-note', text: line });
    else if (!settings.quiet) ctx.terminal.stderr.write(`${clean(line)}\n`);
  };
  let last = performance.now();
  ctx.signal.addEventListener('abort', () => write(`stopping: ${errorText(ctx.signal.reason)}`));
  return {
    note: write,
    emit(event: RunEvent) {
      if (log !== undefined) log.take(event);
      else if (event.type === 'note') write(`${event.stage}: ${event.text}`);
      else if (event.type === 'retry') write(`${event.stage}: try ${event.attempt + 1}: ${event.reason}`);
    },
    progress(stage: string, records: number) {
      if (performance.now() - last < HEARTBEAT_MS) return;
      last = performance.now();
      write(`${stage}: ${count(records)} records ${did}`);
    },
  };
}
