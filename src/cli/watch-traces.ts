import type { Observed, Observer } from './observers.ts';
import { ownVersion } from './own-version.ts';

/** Where the API of OpenTelemetry keeps what an SDK has registered: found without loading it. */
const REGISTERED = Symbol.for('opentelemetry.js.api.1');

/** Spans, where the user has loaded an SDK before (`node --import`). */
export async function openTraces({ invocation, ctx }: Observed): Promise<Observer | undefined> {
  const { trace } = (globalThis as { [REGISTERED]?: { readonly trace?: unknown } })[REGISTERED] ?? {};
  if (trace === undefined) return undefined;
  const { watchTraces } = await import('../observe/traces/watch-traces.ts');
  const { TRACEPARENT, TRACESTATE } = ctx.terminal.env;
  const parent = {
    ...(TRACEPARENT === undefined ? {} : { traceparent: TRACEPARENT }),
    ...(TRACESTATE === undefined ? {} : { tracestate: TRACESTATE }),
  };
  return watchTraces({ command: invocation.command, version: await ownVersion(), parent });
}
