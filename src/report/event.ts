import type { Move } from '../model/move.ts';
import type { Checkpoint, StageEvent, StageName } from '../stages/stage.ts';
import type { RunCommand, RunPhase, RunPlan, RunReport, StageRow } from './report.ts';

export type { RunPhase } from './report.ts';

/** Everything that a run says, in the order in which it happens. Reporters are functions of these alone. */
export type RunEvent =
  | StageEvent
  /** First of all: which run this is. `continuing`: it goes on with one that was begun before. */
  | {
      readonly type: 'run-started';
      readonly command: RunCommand;
      readonly runId: string;
      readonly moves: readonly Move[];
      readonly dryRun: boolean;
      readonly continuing: boolean;
      /** An earlier process has left the run unfinished, with something written. */
      readonly open?: boolean;
      /** The list of several waves that it is one of; waves are counted from 1. */
      readonly map?: { readonly id: string; readonly wave: number; readonly of: number } | undefined;
    }
  /** What the operator should know of the run as a whole. */
  | { readonly type: 'run-note'; readonly text: string; readonly severity?: 'error' }
  /** These stages begin this phase, side by side or one after the other. */
  | { readonly type: 'phase'; readonly phase: RunPhase; readonly stages: readonly StageName[] }
  /** What would be done; before anybody is asked and anything is written. */
  | {
      readonly type: 'planned';
      readonly plan: RunPlan;
      /** Bytes that are free where the undo logs will be. */
      readonly freeBytes: number;
    }
  /** One stage begins, and ends, its part of a phase; `row` is what has become of it so far. */
  | { readonly type: 'stage-started'; readonly stage: StageName; readonly phase: RunPhase }
  /** A batch of a writing phase is done; what became of its records is in the journal. */
  | { readonly type: 'batch'; readonly stage: StageName; readonly phase: RunPhase; readonly checkpoint: Checkpoint }
  | { readonly type: 'stage-finished'; readonly stage: StageName; readonly phase: RunPhase; readonly row: StageRow }
  /** The run was told to stop, and finishes what is under way. */
  | { readonly type: 'stopping'; readonly signal: string }
  /** Last of all. */
  | {
      readonly type: 'run-finished';
      readonly report: RunReport;
      /** It has written, and is neither done nor taken back: it wants `resume` or `rollback`. */
      readonly unfinished?: boolean;
    };
