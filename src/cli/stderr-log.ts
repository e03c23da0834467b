import type { JsonLog } from '../report/json-log.ts';
import type { CommandContext } from './invocation.ts';

/** The JSON lines on stderr (`--log-format json`). The library behind them is loaded only now. */
export async function stderrLog(
  { terminal }: Pick<CommandContext, 'terminal'>,
  { quiet = false }: { readonly quiet?: boolean },
): Promise<JsonLog> {
  const { jsonLog } = await import('../report/json-log.ts');
  const write = (line: string) => void terminal.stderr.write(line);
  return jsonLog({ write, clock: { now: () => Date.now() }, quiet });
}
