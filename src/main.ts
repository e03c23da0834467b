#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8';
import { runCli } from './cli/cli.ts';
import { stopReason } from './model/errors.ts';

// Scanning a large keyspace makes much short-lived garbage: a young generation that does not grow keeps the
// process small at no cost in time that could be measured.
setFlagsFromString('--semi-space-growth-factor=1');

const controller = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // A second signal means: now. What is under way is found again by looking.
    if (controller.signal.aborted) process.exit(signal === 'SIGTERM' ? 143 : signal === 'SIGHUP' ? 129 : 130);
    controller.abort(stopReason(signal));
  });
}

const { stdin, stdout, stderr, env, argv } = process;
for (const stream of [stdout, stderr]) {
  // Who reads along may leave (`| head`, a dropped session): that must not end a move in its middle.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
  });
}
process.exitCode = await runCli({
  terminal: { stdin, stdout, stderr, env },
  argv: argv.slice(2),
  signal: controller.signal,
  interrupt: (by) => controller.abort(stopReason(by)),
});
