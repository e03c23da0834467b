import { examine } from '../doctor/examine.ts';
import { RunFolder } from '../journal/run-folder.ts';
import { type Move, movesText } from '../model/move.ts';
import { mapState } from '../orchestrator/map-state.ts';
import type { Profile } from '../profiles/profile.ts';
import type { Check, CheckLevel, DoctorReport } from '../report/doctor-report.ts';
import { doctorText } from '../report/doctor-text.ts';
import { failedArea, wireDoctor } from '../wire/doctor.ts';
import { wireMaps } from '../wire.ts';
import { askedMoves } from './asked-moves.ts';
import type { CommandContext, Invocation } from './invocation.ts';
import { ownVersion } from './own-version.ts';
import { optionsOf, profileOf } from './run-command.ts';
import { runCommandLine } from './run-ports.ts';
import { readSettings, type Settings, skippedStages } from './settings.ts';
import { isInteractive, paintFor } from './terminal.ts';
import { withTunnel } from './with-tunnel.ts';

/** Longest time for all that is asked of one store, ms. */
const AREA_LIMIT_MS = 20_000;
/** One reply is waited for less long than in a run: who is this slow has been found out. */
const REPLY_LIMIT_MS = 5_000;

/**
 * `doctor [source target]`: looks at this machine, the state folder and each store that is not left out, and prints a line
 * for each thing with what to do. Writes nothing, but for `--probe-writes`. Returns 5 where a line is ❌, else 0.
 */
export async function doctorCommand(invocation: Invocation, ctx: CommandContext): Promise<number> {
  const { command, positionals, flags } = invocation;
  const { stdout, env } = ctx.terminal;
  const asked = await readSettings({ command, flags, env });
  const settings = {
    ...asked,
    'connect-timeout': Math.min(asked['connect-timeout'], REPLY_LIMIT_MS),
    'request-timeout': Math.min(asked['request-timeout'], REPLY_LIMIT_MS),
  };
  const profile = profileOf(settings);
  const [move] = positionals.source === undefined ? [] : await askedMoves(positionals, settings, profile);
  const started = Date.now();
  const through = { settings, skipped: skippedStages(settings), ctx, tell: () => undefined, prove: false };
  const { checks, stores } = await withTunnel(through, async (reached) => {
    const { areas, stores } = wired({ settings: reached, profile, move, ctx });
    const patience = { limitMs: AREA_LIMIT_MS, signal: ctx.signal, explain: failedArea };
    return { checks: await examine(areas, patience), stores };
  });
  const report: DoctorReport = {
    schema: 'tenant-migrate/doctor@1',
    toolVersion: await ownVersion(),
    at: new Date(started).toISOString(),
    ms: Date.now() - started,
    probeWrites: settings['probe-writes'],
    move: move ?? null,
    stores,
    checks,
    counts: countsOf(checks),
    exitCode: checks.some(({ level }) => level === 'error') ? 5 : 0,
  };
  const text = settings.json
    ? JSON.stringify(report, undefined, 2)
    : doctorText(report, paintFor(stdout, settings.color, env));
  stdout.write(`${text}\n`);
  return report.exitCode;
}

function wired(asked: { settings: Settings; profile: Profile; move: Move | undefined; ctx: CommandContext }) {
  const { settings, profile, move, ctx } = asked;
  const stateDir = settings['state-dir'];
  return wireDoctor({
    settings,
    profile,
    skipped: skippedStages(settings),
    move,
    common: {
      profile,
      options: optionsOf(settings),
      runId: 'doctor',
      signal: ctx.signal,
      clock: { now: () => Date.now() },
      emit: () => undefined,
    },
    surroundings: {
      stateDir,
      interactive: isInteractive(ctx.terminal),
      hasEncryptionKey: settings.secrets.ENCRYPTION_KEY !== undefined,
    },
    leftovers: async () => ({ unfinished: await unfinishedIn(settings) }),
  });
}

/** Runs that want a command, and lists of which some waves are left; a wave is its list's. */
async function unfinishedIn(settings: Settings) {
  const stateDir = settings['state-dir'];
  const commands = (id: string) => [runCommandLine('resume', id, settings), runCommandLine('rollback', id, settings)];
  const runs = await RunFolder.all(stateDir);
  const found: { id: string; moves: string; next: readonly string[] }[] = [];
  for (const folder of await RunFolder.unfinished(stateDir)) {
    const { id, moves, map } = folder.record;
    if (map === undefined) found.push({ id, moves: movesText(moves), next: commands(id) });
  }
  for (const folder of await wireMaps(stateDir).all()) {
    const { id, moves } = folder.record;
    if ((await mapState(folder, runs)).state !== 'unfinished') continue;
    found.push({ id, moves: movesText(moves), next: commands(id) });
  }
  return found;
}

function countsOf(checks: readonly Check[]): Readonly<Record<CheckLevel, number>> {
  const counts = { ok: 0, unchecked: 0, warning: 0, error: 0 };
  for (const { level } of checks) counts[level] += 1;
  return counts;
}
