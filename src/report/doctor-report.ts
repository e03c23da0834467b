import type { Move } from '../model/move.ts';
import type { StageName } from '../stages/stage.ts';

/** What a check is about: this machine, the state folder, or one of the stores. */
export type DoctorArea = 'local' | 'state' | StageName;

/** `unchecked`: nobody knows, since it was not tried or the server does not tell; `fix` then says how to find out. */
export type CheckLevel = 'ok' | 'unchecked' | 'warning' | 'error';

/** One thing that was looked at. */
export interface Check {
  readonly area: DoctorArea;
  /** A stable word or two, such as `latency`, `memory`, `tenant index`. */
  readonly name: string;
  readonly level: CheckLevel;
  /** What was found. Never holds a secret. */
  readonly text: string;
  /** What to do; there wherever the level is not `ok`. */
  readonly fix?: string;
}

/** What `doctor --json` prints. */
export interface DoctorReport {
  readonly schema: 'tenant-migrate/doctor@1';
  readonly toolVersion: string;
  /** ISO 8601. */
  readonly at: string;
  readonly ms: number;
  /** Whether it was allowed to write what it removes again. */
  readonly probeWrites: boolean;
  /** The move it was asked about, or null. */
  readonly move: Move | null;
  /** Where the stores are, without credentials; those that were left out are absent. */
  readonly stores: Readonly<Partial<Record<StageName, string>>>;
  readonly checks: readonly Check[];
  readonly counts: Readonly<Record<CheckLevel, number>>;
  /** 5 where a check is an `error`, else 0. */
  readonly exitCode: 0 | 5;
}
