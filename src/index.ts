/** The library's public names. */
export type { ErrorCode } from './model/errors.ts';
export { MigrateError } from './model/errors.ts';
export type { Move } from './model/move.ts';
export { tenantIdProblem } from './model/move.ts';
export type { Profile } from './profiles/profile.ts';
export type { Outcome, RunPlan, RunReport, StageRow, TenantRow, WaveRow } from './report/report.ts';
export type { Finding, Problem, StageName } from './stages/stage.ts';
