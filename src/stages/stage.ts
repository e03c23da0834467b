import type { Json } from '../model/json.ts';
import type { Move } from '../model/move.ts';
import type { Profile } from '../profiles/profile.ts';

/** The stores' parts of a run, in the order in which they run. Also the names in reports and undo logs. */
export type StageName = 'config' | 'redis' | 'qdrant' | 'graph';

/** One store's part of a run. Called in order by the orchestrator, never by another stage. */
export interface Stage<R, W extends R, P extends StagePlan = StagePlan> {
  readonly name: StageName;
  /**
   * What forbids the run, read from the store; changes nothing. `probe` is given in a real run only: with it the right to
   * write is tried on something that does not exist. Runs in every stage even after one has a problem.
   */
  preflight(moves: readonly Move[], ctx: PlanContext<R>, probe?: W): Promise<readonly Problem[]>;
  /** What would be done, read only. The result is JSON: it is printed, stored and then executed. */
  plan(moves: readonly Move[], ctx: PlanContext<R>): Promise<P>;
  /** Does what the plan says. Idempotent: safe to call again after a crash anywhere. */
  apply(plan: P, ctx: ApplyContext<W>): AsyncIterable<Checkpoint>;
  /** Differences between what the plan promised and what the store holds. Enumerates for itself, never as apply does. */
  verify(plan: P, phase: VerifyPhase, ctx: PlanContext<R>): Promise<readonly Finding[]>;
  /** The destructive tail, after every stage has verified. Idempotent. */
  finalize(plan: P, ctx: ApplyContext<W>): AsyncIterable<Checkpoint>;
  /** Takes back what the undo log names, with the value it has now. Legal from any phase, idempotent. */
  undo(plan: P, ctx: ApplyContext<W>): AsyncIterable<Checkpoint>;
  /**
   * Makes sure that nothing a broken process of this run has sent can still arrive: what was looked at after that stays
   * as it was seen. Called before a begun stage is continued or taken back.
   */
  quiesce?(moves: readonly Move[], ctx: PlanContext<W>): Promise<void>;
  /** Ids of tenants in the store, as far as that is cheap to tell: to suggest near ones when an id is unknown. */
  tenants?(ctx: PlanContext<R>): Promise<readonly string[]>;
  /** How a tenant's records go into a backup and back. */
  readonly backup?: StageBackup<R, W>;
}

/** `applied`: sources that equal their targets may still stand; `finalized`: they may not. */
export type VerifyPhase = 'applied' | 'finalized';

/** What a reading step is given. */
export interface PlanContext<R> {
  readonly store: R;
  readonly profile: Profile;
  readonly options: StageOptions;
  /** The run's id; connections that write are named after it where the store knows names. */
  readonly runId: string;
  /** Aborted when the run shall stop: reading loops throw at their next page, requests under way are finished. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly emit: (event: StageEvent) => void;
}

/** What a writing step is given. */
export interface ApplyContext<W> extends PlanContext<W> {
  /**
   * Awaited before every batch of `units` records. The one place where signals, pauses and limits act:
   * it rejects when the run must stop, and then no further batch may be sent.
   */
  permit(units: number): Promise<void>;
  /**
   * Records that the next batch may hold, so that a rate that is set is kept smoothly; asked for each batch. No limit
   * where absent. A batch that must be larger is let through all the same, and those behind it wait the longer.
   */
  readonly mostInBatch?: (() => number) | undefined;
  readonly undo: UndoPort;
}

/** The record from which a stage can take back what it did. */
export interface UndoPort {
  /** Resolves when the entries are durable; only then may the batch be sent. */
  append(entries: readonly Json[]): Promise<BatchId>;
  /** All batches of this stage in this run, newest first. */
  read(): AsyncIterable<UndoBatch>;
}

/** Names one durable batch of one stage: 1, 2, 3 … */
export type BatchId = number;

export interface UndoBatch {
  readonly id: BatchId;
  readonly entries: readonly Json[];
}

/** Milliseconds since the epoch; handed in so that no stage reads a clock of its own. */
export interface Clock {
  now(): number;
}

/** Settings that change what a stage does. No secret is among them. */
export interface StageOptions {
  /** Records in one request; undefined leaves the choice to the stage. */
  readonly batchSize?: number | undefined;
  /** Requests under way at once; undefined leaves the choice to the stage. */
  readonly concurrency?: number | undefined;
  /** Go on where source and target both have data. */
  readonly merge: boolean;
  /** An unfinished run of the same move is being continued: data at both ends is expected. */
  readonly continuing: boolean;
  /** `rename` and `copy` (which compares, then removes) where Redis shall not choose for itself; `auto` where absent. */
  readonly redisMode?: 'auto' | 'rename' | 'copy' | undefined;
  /** `overwrite` logs what it destroys before. */
  readonly onConflict: 'fail' | 'skip' | 'overwrite';
  /** How long a request of a broken process may still be under way where it cannot be ended, ms. */
  readonly settleMs: number;
  readonly verify: VerifyDepth;
  /** Seed of the samples. */
  readonly seed: number;
  readonly failOnUnclaimed: boolean;
  /** What becomes of keys that another known tenant could have as well, by the profile's templates. */
  readonly ambiguousKeys: 'refuse' | 'claim' | 'leave';
  readonly deleteSourceConfig: boolean;
  /**
   * Whether points get new ids: `auto` where theirs derive from the source, `payload` never, `re-id` as `auto`, refused
   * where none does.
   */
  readonly qdrantMode: 'auto' | 'payload' | 're-id';
  /** Sources whose config may not stay in any case: the id is another tenant's next, or was a temporary one. */
  readonly leaving?: readonly string[] | undefined;
}

/** `counts` compares counts; `sample` also a seeded sample of the content; `full` all of it. */
export type VerifyDepth = 'counts' | 'sample' | 'full';

/** The common part of a stage's plan. Plain JSON. */
export interface StagePlan {
  readonly stage: StageName;
  /** What a record is called: `keys`, `points`, `nodes`, `config records`. */
  readonly unit: string;
  /** One entry for each move, in the run's order. */
  readonly moves: readonly MoveCounts[];
  /** Sample renames with counts. */
  readonly shapes: readonly ShapeCount[];
  /** Source records whose target is taken by different content. */
  readonly conflicts: number;
  /** Records under the target's name that apply would put right, though they are no source's. */
  readonly mends?: number;
  /** True where every source record already stands at the target as it should: apply would change nothing. */
  readonly settled?: boolean;
  /** Things the operator should know that do not stop the run. */
  readonly notices: readonly Finding[];
  /** Why the run would be refused. */
  readonly problems: readonly Problem[];
  /** Expected time of apply in ms, from a short measured probe. */
  readonly estimateMs: number;
  /** About how many bytes the undo log of apply and finalize will take, at most; absent where it writes none. */
  readonly undoBytes?: number;
  /** What the run would send to write, for people; absent where a stage has no statements. */
  readonly statements?: readonly string[];
  /** What the plan's digest covers beside settings: server version, schema, key shapes; never counts. */
  readonly basis: Json;
}

/** Records of one move at both ends, before it. */
export interface MoveCounts {
  readonly source: string;
  readonly target: string;
  /** Records that belong to the source now. */
  readonly found: number;
  /** Records that stand under the target now. */
  readonly atTarget: number;
}

/** So many records are renamed alike. */
export interface ShapeCount {
  readonly from: string;
  readonly to: string;
  readonly count: number;
}

/** Why a run is refused before anything is written. */
export interface Problem {
  readonly stage: StageName | 'run';
  /** A stable word, such as `unreachable`, `both-have-data`. */
  readonly code: string;
  /** What is wrong and where. */
  readonly message: string;
  /** What to do: the flag to set, the command to type. */
  readonly fix: string;
}

/** Something that plan or verify saw. */
export interface Finding {
  readonly stage: StageName;
  /** A stable word, such as `left-behind`, `count`, `content`, `unclaimed`, `ids-derived-from-tenant`. */
  readonly kind: string;
  /** A `difference` makes the run fail (exit 2 or 4); a `notice` stands in the report and changes no exit code. */
  readonly severity: 'difference' | 'notice';
  readonly message: string;
  /** The shape, collection, label or field it is about. */
  readonly where?: string | undefined;
  readonly count?: number | undefined;
  /** A few names of records; never their content. */
  readonly samples?: readonly string[] | undefined;
  /** The flag or command that would settle it. */
  readonly fix?: string | undefined;
  /** Apply can settle it by running again: records that appeared at the source meanwhile. */
  readonly drainable?: boolean | undefined;
}

/** A batch that is done, with what became of its records (numbers of records in this batch only). */
export interface Checkpoint {
  readonly batch: BatchId;
  readonly moved: number;
  /** Left as they are on purpose: equal at both ends, or a conflict under `--on-conflict skip`. */
  readonly skipped?: number;
  readonly conflicts?: number;
  readonly failed?: number;
  /** Gone at the source before they could be moved: expired or deleted meanwhile. */
  readonly vanished?: number;
}

/** What a stage says while it works. */
export type StageEvent =
  /** How many records this phase is about, as `progress` counts them. */
  | {
      readonly type: 'total';
      readonly stage: StageName;
      readonly total: number;
      readonly unit: string;
      /** It was counted in a way that may be wrong by some. */
      readonly estimate?: boolean;
    }
  /** How far it is. `total` grows where others write meanwhile. */
  | { readonly type: 'progress'; readonly stage: StageName; readonly done: number; readonly total: number }
  /** What the operator should know. */
  | { readonly type: 'note'; readonly stage: StageName; readonly text: string }
  /** What verify's own enumeration counted at both ends; the parts of one verify are added. Not told where it cannot know. */
  | { readonly type: 'counted'; readonly stage: StageName; readonly source: number; readonly target: number }
  /** One record could not be moved: its name, never its content. */
  | {
      readonly type: 'record-failed';
      readonly stage: StageName;
      readonly record: string;
      readonly reason: string;
    }
  /** A request did not succeed and is sent again after `delayMs`. `attempt` is 1 for the first repetition. */
  | {
      readonly type: 'retry';
      readonly stage: StageName;
      readonly attempt: number;
      readonly delayMs: number;
      readonly reason: string;
      /** The first failed try of this trouble, ms since the epoch. */
      readonly since?: number | undefined;
    };

/** A stage's part in backups. A restore only adds: what exists is never overwritten, moved or removed. */
export interface StageBackup<R, W extends R> {
  /** All that the store holds of the tenant, read only, in batches. */
  read(tenant: string, ctx: PlanContext<R>): AsyncIterable<BackupBatch>;
  /** How the backup's records stand in the store now; changes nothing. */
  compare(part: BackupPart, ctx: PlanContext<R>): Promise<RestoreLook>;
  /** Writes the records that are absent, and yields how many records each step wrote. Idempotent: continued by running again. */
  restore(part: BackupPart, ctx: RestoreContext<W>): AsyncIterable<number>;
  /** The undo log of a move of this tenant, made from the backup where the log itself is lost. */
  undoEntries(part: BackupPart, move: Move, profile: Profile): AsyncIterable<readonly Json[]>;
}

/** What a restoring step is given: it needs no undo log, since it destroys nothing. */
export type RestoreContext<W> = Omit<ApplyContext<W>, 'undo'>;

/** Some records of a backup, as they are written. */
export interface BackupBatch {
  readonly lines: readonly BackupLine[];
  /** What a backup cannot hold, for people; never content. */
  readonly notKept?: readonly string[];
}

/** One record: JSON text of an object on one line, whose first member is its `kind`. */
export interface BackupLine {
  readonly kind: string;
  readonly text: string;
}

/** What one stage wrote into a backup, to be read again as often as needed. */
export interface BackupPart {
  /** The backup's id. */
  readonly id: string;
  readonly tenant: string;
  /** The lines in their order, in batches of a few megabytes. */
  lines(): AsyncIterable<readonly string[]>;
}

/** What a backup's records look like beside the store, in numbers of records. */
export interface RestoreLook {
  /** Not in the store: these a restore writes. */
  readonly absent: number;
  /** In the store as the backup has them. */
  readonly equal: number;
  /** Their time has passed since: they are not restored. */
  readonly expired: number;
  /** In the store with other content: these refuse the restore. */
  readonly different: number;
  /** Cannot be restored here, whatever is done. */
  readonly notRestorable: number;
  /** Indexes and constraints that are not in the store: a restore makes them, and counts them nowhere else. */
  readonly schemaAbsent: number;
  /** False where a restore would change nothing at all. */
  readonly work: boolean;
  /** A few names of different records. */
  readonly samples: readonly string[];
  /** Why records cannot be restored, and what else the operator should know. */
  readonly notes: readonly string[];
}
