/** The library's public names. docs/library.md has an example. */
export { apply, move, plan, resume, rollback, verify } from './library/commands.ts';
export type {
  ApplyOptions,
  ClaimOptions,
  CommonOptions,
  MoveOptions,
  PlanOptions,
  ResumeOptions,
  RollbackOptions,
  Secrets,
  StoreOptions,
  VerifyOptions,
  WriteOptions,
} from './library/options.ts';
export type { Run } from './library/run.ts';
export type { ErrorCode } from './model/errors.ts';
export { MigrateError } from './model/errors.ts';
export type { Json } from './model/json.ts';
export type { Move } from './model/move.ts';
export { tenantIdProblem } from './model/move.ts';
export type { Profile } from './profiles/profile.ts';
export type { RunEvent, RunPhase } from './report/event.ts';
export type {
  EndCounts,
  Environment,
  Outcome,
  PhaseSpan,
  RetryCount,
  RunCommand,
  RunNote,
  RunPlan,
  RunReport,
  StageRow,
  StoreFacts,
  TenantCounts,
  TenantRow,
  Throughput,
  WaveRow,
} from './report/report.ts';
export type {
  Finding,
  MoveCounts,
  Problem,
  ShapeCount,
  StageEvent,
  StageName,
  StageOptions,
  StagePlan,
} from './stages/stage.ts';
