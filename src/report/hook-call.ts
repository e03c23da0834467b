import type { Move } from '../model/move.ts';
import type { StageName } from '../stages/stage.ts';
import type { Outcome, RunCommand, StageRow } from './report.ts';

/** When hooks are called. `before-…` may refuse what comes next. */
export const HOOK_EVENTS = [
  'before-plan',
  'before-stage',
  'after-stage',
  'before-finalize',
  'on-failure',
  'after-run',
] as const;

export type HookEvent = (typeof HOOK_EVENTS)[number];

/** What a hook is told, as JSON: the same for commands (on stdin) and URLs (the body). Holds no secret and no content. */
export interface HookCall {
  readonly schema: 'tenant-migrate/hook@1';
  readonly event: HookEvent;
  /** ISO 8601. */
  readonly time: string;
  readonly command: RunCommand;
  readonly runId: string;
  readonly moves: readonly Move[];
  /** Which wave of which list it is; null where it is none. */
  readonly wave: { readonly id: string; readonly wave: number; readonly of: number } | null;
  /** Of `before-stage` and `after-stage`. */
  readonly stage: StageName | null;
  /** `apply` or `undo` with a stage; `finalize` before it. */
  readonly phase: 'apply' | 'finalize' | 'undo' | null;
  /** What became of each stage so far. */
  readonly stages: readonly HookCounts[];
  /** From here on only at the end of a run, else null. */
  readonly outcome: Outcome | null;
  readonly exitCode: number | null;
  readonly message: string | null;
  /** The command to type now. */
  readonly next: string | null;
  /** Path of the run's `report.json`, where there is one. */
  readonly report: string | null;
}

/** Numbers of records of one stage. */
export type HookCounts = Pick<
  StageRow,
  'name' | 'status' | 'unit' | 'found' | 'atTarget' | 'moved' | 'skipped' | 'conflicts' | 'failed' | 'vanished'
>;

/** A call as the orchestrator makes it: the rest is filled in. */
export type HookMoment = Pick<HookCall, 'event' | 'command' | 'runId' | 'moves'> &
  Partial<Pick<HookCall, 'wave' | 'stage' | 'phase' | 'outcome' | 'exitCode' | 'message' | 'next' | 'report'>> & {
    readonly rows: readonly StageRow[];
  };
