import type { Move } from '../model/move.ts';
import type { StageEvent, StageName } from '../stages/stage.ts';
import type { RunCommand, RunPlan, RunReport, StageRow } from './report.ts';

/** Everything that a run says, in the order in which it happens. Reporters are functions of these alone. */
export type RunEvent =
  | StageEvent
  | {
      readonly type: 'run-started';
      readonly command: RunCommand;
      readonly runId: string;
      readonly moves: readonly Move[];
      readonly dryRun: boolean;
      readonly continuing: boolean;
    }
  /** What the operator should know of the run as a whole. */
  | { readonly type: 'run-note'; readonly text: string }
  | { readonly type: 'phase'; readonly phase: RunPhase; readonly stages: readonly StageName[] }
  | {
      readonly type: 'planned';
      readonly plan: RunPlan;
      /** Bytes that are free where the undo logs will be. */
      readonly freeBytes: number;
    }
  | { readonly type: 'stage-started'; readonly stage: StageName; readonly phase: RunPhase }
  | { readonly type: 'stage-finished'; readonly stage: StageName; readonly phase: RunPhase; readonly row: StageRow }
  | { readonly type: 'stopping'; readonly signal: string }
  | { readonly type: 'run-finished'; readonly report: RunReport };

export type RunPhase = 'preflight' | 'plan' | 'apply' | 'verify' | 'finalize' | 'undo';
