import { PassThrough } from 'node:stream';
import { runCli } from '../../src/cli/cli.ts';
import type { CliResult } from './cli.ts';

/** Runs a command line in this process, without a terminal and in an environment of its own: as the built one, but sooner. */
export async function runCliHere(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<CliResult> {
  const [stdout, stderr] = [collected(), collected()];
  const terminal = { stdin: new PassThrough(), stdout: stdout.stream, stderr: stderr.stream, env };
  const code = await runCli({ terminal, argv, signal, interrupt: () => undefined });
  const text = stdout.text();
  return { code, stdout: text, stderr: stderr.text(), json: () => JSON.parse(text) as Record<string, unknown> };
}

function collected() {
  const stream = new PassThrough();
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return { stream, text: () => Buffer.concat(chunks).toString('utf8') };
}
