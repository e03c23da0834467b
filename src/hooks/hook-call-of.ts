import type { HookCall, HookMoment } from '../report/hook-call.ts';

/** The whole document of a moment. */
export function hookCallOf({ rows, ...moment }: HookMoment, time: string): HookCall {
  return {
    schema: 'tenant-migrate/hook@1',
    event: moment.event,
    time,
    command: moment.command,
    runId: moment.runId,
    moves: moment.moves,
    wave: moment.wave ?? null,
    stage: moment.stage ?? null,
    phase: moment.phase ?? null,
    stages: rows.map(({ name, status, unit, found, atTarget, moved, skipped, conflicts, failed, vanished }) => {
      return { name, status, unit, found, atTarget, moved, skipped, conflicts, failed, vanished };
    }),
    outcome: moment.outcome ?? null,
    exitCode: moment.exitCode ?? null,
    message: moment.message ?? null,
    next: moment.next ?? null,
    report: moment.report ?? null,
  };
}
