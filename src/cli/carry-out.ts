import type { Move } from '../model/move.ts';
import type { RunInput } from '../orchestrator/run-input.ts';
import type { RunEvent } from '../report/event.ts';
import type { RunReport } from '../report/report.ts';
import type { ConfigSecrets } from '../stages/config/config-secrets.ts';
import type { StageName } from '../stages/stage.ts';
import { readConfigSecrets } from './config-secrets-file.ts';
import type { CommandContext, Invocation } from './invocation.ts';
import { onStop, startReporting } from './reporting.ts';
import { runHooks } from './run-hooks.ts';
import { runPorts } from './run-ports.ts';
import type { Settings } from './settings.ts';
import { withTunnel } from './with-tunnel.ts';

interface Asked {
  readonly invocation: Invocation;
  readonly settings: Settings;
  readonly skipped: readonly StageName[];
  readonly ctx: CommandContext;
  /** The moves of a list that takes several waves. */
  readonly list?: readonly Move[];
}

/** What the work of a command is lent. */
export interface Lent {
  /** They lead through the tunnel, where there is one. */
  readonly settings: Settings;
  readonly secrets: ConfigSecrets | undefined;
  readonly ports: Awaited<ReturnType<typeof runPorts>> & Pick<RunInput, 'hooks'>;
  /** Beneath the ports' own: what is told here steers nothing. */
  readonly emit: (event: RunEvent) => void;
}

/**
 * Does the work of a command that makes a run or takes one back, and returns its report. The config's secrets are read
 * before anybody follows, so that what cannot be read leaves nothing open. However the work ends, the hooks of the end
 * are called, then who follows is told, then the display is closed.
 */
export async function carryOut(
  { invocation, settings, skipped, ctx, list }: Asked,
  work: (lent: Lent) => Promise<RunReport>,
) {
  const isFlag = invocation.flags['config-secrets'] !== undefined;
  const secrets = await readConfigSecrets(settings['config-secrets'], isFlag);
  const reporting = await startReporting(invocation, settings, ctx, list === undefined ? {} : { list });
  const emit = (event: RunEvent) => reporting.take(event);
  onStop(ctx, emit);
  const hooks = await runHooks(settings, { ctx, emit });
  const tell = (text: string) => emit({ type: 'run-note', text });
  const report = await withTunnel({ settings, skipped, ctx, tell }, async (reached) => {
    const ports = await runPorts(reached, skipped, { ctx, emit, history: reporting.history });
    return work({ settings: reached, secrets, ports: { ...ports, hooks: hooks.port }, emit });
  })
    .then((ended) => hooks.atEnd(ended))
    .then(reporting.ended, reporting.broke)
    .finally(() => reporting.close());
  return { report, plan: reporting.plan(), freeBytes: reporting.freeBytes() };
}
