import type { Json } from '../model/json.ts';
import type { Move } from '../model/move.ts';
import type { Profile } from '../profiles/profile.ts';
import type { Finding, Problem, ShapeCount, StageName, StageOptions, StagePlan } from '../stages/stage.ts';

/** The steps of a run, in their order; `undo` is a rollback's. */
export type RunPhase = 'preflight' | 'plan' | 'apply' | 'verify' | 'finalize' | 'undo';

/** The commands that make a run, and the functions of the same names. */
export type RunCommand = 'move' | 'plan' | 'apply' | 'resume' | 'verify' | 'rollback';

/** The plan of a run as a document: printed, stored, and executed by `apply`. */
export interface RunPlan {
  readonly schema: 'tenant-migrate/plan@1';
  readonly toolVersion: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly moves: readonly Move[];
  readonly profile: Profile;
  readonly options: Pick<
    StageOptions,
    | 'merge'
    | 'redisMode'
    | 'onConflict'
    | 'verify'
    | 'seed'
    | 'batchSize'
    | 'failOnUnclaimed'
    | 'ambiguousKeys'
    | 'deleteSourceConfig'
    | 'qdrantMode'
  >;
  readonly stages: readonly StagePlan[];
  /** SHA-256 over what must not change between plan and apply: moves, profile, versions, schema, key shapes; no counts. */
  readonly digest: string;
  /** SHA-256 over the whole document but this member: an edited plan is refused. */
  readonly checksum: string;
}

/** What became of one stage. */
export interface StageRow {
  readonly name: StageName;
  readonly status: 'not-run' | 'done' | 'skipped' | 'failed' | 'undone' | 'undo-failed';
  /** What a record is called. */
  readonly unit: string;
  readonly found: number;
  readonly atTarget: number;
  readonly moved: number;
  readonly skipped: number;
  readonly conflicts: number;
  readonly failed: number;
  readonly vanished: number;
  /** Time spent in this stage, ms, all phases together. */
  readonly ms: number;
  /** Time of each phase, ms. */
  readonly phases: Readonly<Record<string, number>>;
  readonly estimateMs: number;
  readonly shapes: readonly ShapeCount[];
  /** Records at both ends as they were counted last, after the last write; absent where nobody counted since. */
  readonly after?: EndCounts | undefined;
  /** Of the whole run, where earlier attempts of it have moved records; `found` and `moved` are this attempt's. */
  readonly run?: RunTotals | undefined;
}

/** Records of a stage in all attempts of its run together. */
export interface RunTotals {
  /** As its first plan counted them, and what came since. */
  readonly found: number;
  /** Less what a rollback took back. */
  readonly moved: number;
}

/** Records at both ends. */
export interface EndCounts {
  readonly source: number;
  readonly target: number;
}

/** One phase of one stage, once: a stage that was verified three times has three. */
export interface PhaseSpan {
  readonly stage: StageName;
  readonly phase: RunPhase;
  /** Counted from 1, of this phase of this stage. */
  readonly pass: number;
  /** Ms since the report's `startedAt`. */
  readonly startMs: number;
  readonly endMs: number;
}

/** How many records of a stage were through at which moment. */
export interface Throughput {
  readonly stage: StageName;
  readonly phase: 'apply' | 'undo';
  /** `[ms since startedAt, records so far]`, both never falling; the first is where the phase began. At most 120. */
  readonly points: readonly (readonly [ms: number, records: number])[];
}

/** What the operator was told: pauses, waits, what a continued run found. */
export interface RunNote {
  /** When it was said first, ms since the report's `startedAt`. */
  readonly atMs: number;
  /** Absent where it concerns the whole run. */
  readonly stage?: StageName | undefined;
  /** At most 300 characters. */
  readonly text: string;
  /** How often it was said. */
  readonly count: number;
}

/** Requests that were tried again, by their reason. */
export interface RetryCount {
  readonly stage: StageName;
  /** At most 200 characters. */
  readonly reason: string;
  readonly count: number;
  /** Time waited before these tries, all together. */
  readonly waitedMs: number;
}

/** What ran it. Names neither a user nor a machine. */
export interface Environment {
  /** Such as `20.19.4`. */
  readonly node: string;
  /** Such as `linux x64`. */
  readonly platform: string;
  /** The name of the pipeline's maker, such as `GitHub Actions`; absent where none is known. */
  readonly ci?: string | undefined;
}

/** Where a stage's store is. */
export interface StoreFacts {
  /** Without credentials. */
  readonly address: string;
  /** Product and version; absent where it was not asked or does not say. */
  readonly server?: string | undefined;
}

/** What became of one tenant of a list. */
export interface TenantRow {
  readonly source: string;
  readonly target: string;
  /** Counted from 1. */
  readonly wave: number;
  /**
   * `moved`: all of it is at the target, in a run that did not come to its end · `partial` and `unmoved`: some and none
   * of it is · `unknown`: it could not be counted · `missing`: neither end has data.
   */
  readonly status:
    | 'planned'
    | 'done'
    | 'nothing-to-do'
    | 'missing'
    | 'moved'
    | 'partial'
    | 'unmoved'
    | 'unknown'
    | 'not-run'
    | 'undone';
  /** The id at which it stood in between, where it was moved out of the others' way. */
  readonly through?: string;
  readonly stages: Readonly<Partial<Record<StageName, TenantCounts>>>;
}

/** Records of one tenant in one store. */
export interface TenantCounts {
  readonly unit: string;
  readonly found: number;
  readonly atTarget: number;
  /** Null where it is not known. */
  readonly moved: number | null;
}

/** What became of one wave of a map. */
export interface WaveRow {
  /** Counted from 1. */
  readonly wave: number;
  readonly moves: readonly Move[];
  /** Undefined where it was not begun. */
  readonly runId?: string | undefined;
  readonly status: 'not-run' | 'done' | 'failed' | 'stopped' | 'refused' | 'undone';
}

/**
 * How a run ended. `done`: moved, verified and finalized; `nothing-to-do`: the target has all already; `planned`,
 * `verified`: only looked; `rolled-back`: by rollback; `undone`: failed, and all was taken back; `differences`: verify found
 * some; `refused`: before any write; `failed`, `stopped`: on the way, to be resumed or rolled back.
 */
export type Outcome =
  | 'done'
  | 'nothing-to-do'
  | 'planned'
  | 'verified'
  | 'rolled-back'
  | 'undone'
  | 'differences'
  | 'refused'
  | 'failed'
  | 'stopped';

/** The one versioned document that `--json` prints and the run folder keeps. Holds no secret and no record's content. */
export interface RunReport {
  readonly schema: 'tenant-migrate/report@1';
  readonly toolVersion: string;
  readonly runId: string;
  readonly command: RunCommand;
  readonly moves: readonly Move[];
  readonly dryRun: boolean;
  readonly outcome: Outcome;
  readonly exitCode: number;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly ms: number;
  readonly stages: readonly StageRow[];
  /** For a list of moves: what became of each. */
  readonly tenants?: readonly TenantRow[];
  /** For a list that takes several waves. */
  readonly waves?: readonly WaveRow[];
  readonly problems: readonly Problem[];
  readonly findings: readonly Finding[];
  /** The limit that stopped the run early, or null. */
  readonly limit: {
    readonly name: 'max-errors' | 'max-error-rate' | 'max-slowdown' | 'timeout';
    readonly limit: number;
    readonly value: number;
    readonly text: string;
  } | null;
  /** What went wrong, where the run failed. */
  readonly error: string | null;
  /** What the run was told in words: what was done, what state is left. */
  readonly message: string;
  /** The command to type now, or null where nothing is left to do. */
  readonly next: string | null;
  /** When each stage did what, in the order in which the phases ended; at most 400, the first ones. Absent in older reports, as all below. */
  readonly timeline?: readonly PhaseSpan[];
  /** Of each stage that wrote. */
  readonly throughput?: readonly Throughput[];
  /** At most 60, in the order in which they were said first. */
  readonly notes?: readonly RunNote[];
  /** At most 30, the most frequent first. */
  readonly retries?: readonly RetryCount[];
  /** What was set, by the names of the flags, as the run's record keeps it: no secret. */
  readonly settings?: Readonly<Record<string, Json>>;
  readonly environment?: Environment;
  readonly stores?: Readonly<Partial<Record<StageName, StoreFacts>>>;
}
