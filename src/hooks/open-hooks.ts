import { errorText, MigrateError } from '../model/errors.ts';
import type { HookCall, HookEvent, HookMoment } from '../report/hook-call.ts';
import { hookCallOf } from './hook-call-of.ts';
import type { HookSpec } from './hook-spec.ts';
import { type HookEnd, runCommandHook } from './run-command-hook.ts';
import { runUrlHook } from './run-url-hook.ts';

interface HookSettings {
  readonly specs: readonly HookSpec[];
  readonly timeoutMs: number;
  readonly token: string | undefined;
  /** What the programs find in their environment: no secret. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: () => number;
  /** Takes what the operator should know, uncleaned. */
  readonly tell: (text: string, severity?: 'error') => void;
}

const MOST_LINES = 20;
const MOST_CHARACTERS = 300;
/** After these nothing is left to refuse: all of them are called, whatever became of the first. */
const AT_THE_END: ReadonlySet<HookEvent> = new Set(['on-failure', 'after-run']);

/**
 * Calls the hooks of a moment, one after the other. Rejects with MigrateError `hook` where one fails or refuses, before
 * those behind it are called (at the end of a run: after all were).
 */
export function openHooks(settings: HookSettings) {
  return async (moment: HookMoment, signal?: AbortSignal): Promise<void> => {
    const call = hookCallOf(moment, new Date(settings.now()).toISOString());
    const failures: string[] = [];
    for (const spec of settings.specs.filter(({ event }) => event === call.event)) {
      const problem = await callOne(spec, call, settings, signal);
      signal?.throwIfAborted();
      if (problem === undefined) continue;
      failures.push(problem);
      if (!AT_THE_END.has(call.event)) break;
    }
    if (failures.length === 0) return;
    const next = 'see to what the hook says; --skip-hooks goes on without any';
    throw new MigrateError('hook', failures.join('; '), { stage: moment.stage ?? undefined, next });
  };
}

/** What went wrong with it, in words. */
async function callOne(
  spec: HookSpec,
  call: HookCall,
  { timeoutMs, token, env, now, tell }: HookSettings,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const input = `${JSON.stringify(call)}\n`;
  const label = `hook ${call.event} (${spec.name})`;
  tell(`${label}${call.stage === null ? '' : ` ${call.phase} ${call.stage}`} …`);
  const startedAt = now();
  const how = { input, timeoutMs, signal };
  let end: HookEnd;
  try {
    end =
      spec.kind === 'url'
        ? await runUrlHook(spec.url, { ...how, token })
        : await runCommandHook(spec.words, { ...how, env: { ...env, ...variablesOf(call) } });
  } catch (error) {
    // Such as a word that no program can be given.
    end = { problem: `it cannot be started: ${errorText(error)}`, output: '' };
  }
  const lines = end.output.split(/\r?\n/).filter((line) => line.trim() !== '');
  for (const line of lines.slice(0, MOST_LINES)) tell(`${label}: ${line.slice(0, MOST_CHARACTERS)}`);
  if (lines.length > MOST_LINES) tell(`${label}: (${lines.length - MOST_LINES} more lines)`);
  if (end.problem === undefined) {
    tell(`${label} ended well after ${((now() - startedAt) / 1_000).toFixed(1)} s`);
    return undefined;
  }
  const said = lines.at(-1)?.slice(0, MOST_CHARACTERS);
  const text = `the ${label} failed: ${end.problem}${said === undefined ? '' : `: ${said}`}`;
  tell(text, 'error');
  return text;
}

/** The few things that a script may want without reading JSON. */
function variablesOf({ event, runId, command, stage, phase, moves, report }: HookCall): Record<string, string> {
  const [move] = moves;
  return {
    TENANT_MIGRATE_HOOK_EVENT: event,
    TENANT_MIGRATE_HOOK_RUN: runId,
    TENANT_MIGRATE_HOOK_COMMAND: command,
    ...(stage === null ? {} : { TENANT_MIGRATE_HOOK_STAGE: stage }),
    ...(phase === null ? {} : { TENANT_MIGRATE_HOOK_PHASE: phase }),
    ...(report === null ? {} : { TENANT_MIGRATE_HOOK_REPORT: report }),
    ...(move === undefined || moves.length > 1
      ? {}
      : { TENANT_MIGRATE_HOOK_SOURCE: move.source, TENANT_MIGRATE_HOOK_TARGET: move.target }),
  };
}
