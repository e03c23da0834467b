import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import type { FaultControls } from './fault-http.ts';

/**
 * Where the module at `moduleUrl` is the process's main file: starts its stand-in, prints one line of JSON
 * (`url`, `pid`, `simulated`) and ends on SIGTERM or SIGINT, and with `--end-with-stdin` when stdin closes.
 */
export async function runAsProcess<F extends string>(
  moduleUrl: string,
  simulated: string,
  flags: readonly F[],
  start: (options: { port: number; host?: string } & { readonly [name in F]?: string }) => Promise<FaultControls>,
): Promise<void> {
  if (process.argv[1] === undefined || pathToFileURL(process.argv[1]).href !== moduleUrl) return;
  const strings = Object.fromEntries(['port', 'host', ...flags].map((name) => [name, { type: 'string' as const }]));
  const { values } = parseArgs({ options: { ...strings, 'end-with-stdin': { type: 'boolean' } } });
  const { port, 'end-with-stdin': endWithStdin, ...rest } = values as Record<string, string | boolean | undefined>;
  const options = { ...rest, port: Number(port ?? 0) } as Parameters<typeof start>[0];
  const standIn = await start(options);
  const end = () => {
    void standIn.close().then(() => process.exit(0));
  };
  process.once('SIGTERM', end);
  process.once('SIGINT', end);
  if (endWithStdin === true) process.stdin.once('end', end).once('error', end).resume();
  process.stdout.write(`${JSON.stringify({ url: standIn.url, pid: process.pid, simulated })}\n`);
}
