import type { RunFolder } from '../journal/run-folder.ts';
import type { MapWave, RunRecord } from '../journal/run-record.ts';
import type { Json } from '../model/json.ts';
import type { Move } from '../model/move.ts';
import type { Profile } from '../profiles/profile.ts';
import type { RunEvent } from '../report/event.ts';
import type { HookMoment } from '../report/hook-call.ts';
import type { Environment, RunCommand, RunPlan } from '../report/report.ts';
import type { RunHistory } from '../report/run-history.ts';
import type { Clock, StageName, StageOptions } from '../stages/stage.ts';
import type { BoundStage, CommonContext } from './bound-stage.ts';
import type { LimitSettings } from './limits.ts';
import type { PauseFile } from './pause.ts';
import type { RateLimit } from './rate-limit.ts';
import type { LockPorts } from './run-locks.ts';
import type { Throttle } from './throttle.ts';

/** What one run is told. */
export interface RunInput {
  readonly command: RunCommand;
  /** The run that is resumed; elsewhere an unfinished run of the same moves is found. */
  readonly resume?: RunFolder | undefined;
  readonly moves: readonly Move[];
  /** The map that the run is a wave of. */
  readonly map?: MapWave | undefined;
  /** What is done about a move of which no store knows either end: `refuse`, where absent. `skip` tells it. */
  readonly missing?: 'refuse' | 'skip' | 'allow' | undefined;
  readonly dryRun: boolean;
  /** In the order in which they run. */
  readonly stages: readonly BoundStage[];
  readonly skipped: readonly StageName[];
  readonly profile: Profile;
  readonly options: StageOptions;
  /** Everything that was set, without secrets, as the run's record keeps it. */
  readonly settings: Readonly<Record<string, Json>>;
  /** A stored plan to execute. */
  readonly stored?: RunPlan | undefined;
  /** The servers are those of the run that is resumed, whatever their addresses. */
  readonly sameServers: boolean;
  readonly exactPlan: boolean;
  /** Close the run though verify found differences: they are listed as accepted. */
  readonly acceptDifferences: boolean;
  /** `plan` ends with 2 where there is work. */
  readonly detailedExitCode: boolean;
  /** Asked before anything is written; undefined where nobody is to be asked. */
  readonly confirm?: ((plan: RunPlan) => Promise<boolean>) | undefined;
  /** Makes the backup of these tenants that was asked for, before the first write. Throws where it cannot. */
  readonly backup?: ((tenants: readonly string[], common: CommonContext) => Promise<void>) | undefined;
  /** Called at the moments of a run that writes; none where absent. */
  readonly hooks?: HookPort | undefined;
  readonly folders: RunFolders;
  readonly locks: LockPorts;
  readonly limits: LimitSettings;
  /** How fast the stages may write. */
  readonly rate: RateLimit;
  /** The run waits between batches while this file exists. */
  readonly pauseFile: PauseFile | undefined;
  /** What holds its batches back by the stores' health, and from outside. None where absent. */
  readonly throttle?: Throttle | undefined;
  /** Bytes that are free where runs are recorded. */
  readonly freeBytes: () => Promise<number>;
  readonly process: { readonly pid: number; readonly host: string };
  readonly toolVersion: string;
  /** What runs this, for the report. */
  readonly environment?: Environment | undefined;
  /** Begins to note for the report what the run says and tries again. */
  readonly history?: (() => RunHistory) | undefined;
  readonly say: Commands;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly emit: (event: RunEvent) => void;
}

/**
 * Calls what the operator wants to be called at this moment, and waits for it. Rejects with MigrateError `hook` where it
 * fails or refuses what comes next: before the first write the run is refused, later it has failed and can be resumed.
 */
export type HookPort = (moment: HookMoment, signal?: AbortSignal) => Promise<void>;

/** Commands to type, for "what now". */
export interface Commands {
  /** The one that was typed. */
  readonly again: string;
  /** What does what this one only looked at. */
  readonly forReal: string;
  resume(id: string): string;
  rollback(id: string): string;
}

/** The state folder, as far as a run needs it. */
export interface RunFolders {
  /** The id of a run that is yet to be made. `startedAt`: ISO 8601. */
  newId(startedAt: string): string;
  create(run: Parameters<typeof RunFolder.create>[1]): Promise<RunFolder>;
  unfinished(): Promise<readonly RunFolder[]>;
  all(): Promise<readonly RunFolder[]>;
  /** Maps that have begun and are not finished. None where absent. */
  unfinishedMaps?(): Promise<readonly OpenMap[]>;
}

/** What a map that is not finished forbids others to move. */
export interface OpenMap {
  readonly id: string;
  /** With its temporary ids. */
  readonly tenants: readonly string[];
  readonly stores: Stores;
}

/** Where the stores are. */
export type Stores = RunRecord['stores'];
