import type { Checkpoint, StageName } from '../stages/stage.ts';

/** The format of journals that this version writes. A later one is refused, never guessed at. */
export const FORMAT = 1;

/** What a line of the journal says. `at` is milliseconds since the epoch. */
export type JournalEntry =
  /** The first line. */
  | {
      readonly type: 'run';
      readonly format: number;
      readonly run: string;
      readonly tool: string;
      /** An earlier journal of the run was gone when this one was begun. */
      readonly lost?: true;
      readonly at: number;
    }
  /** A process works on the run from here on. */
  | {
      readonly type: 'process';
      readonly command: string;
      readonly tool: string;
      /** Over all settings that are no secrets. */
      readonly settings: string;
      readonly pid: number;
      readonly host: string;
      readonly at: number;
    }
  /** The plan that is being executed. */
  | {
      readonly type: 'plan';
      /** That of plan.json. */
      readonly checksum: string;
      readonly digest: string;
      readonly at: number;
    }
  | {
      readonly type: 'phase';
      readonly phase: string;
      /** Records that each stage will work on. */
      readonly totals?: Readonly<Partial<Record<StageName, number>>>;
      readonly at: number;
    }
  /** These batches may be sent: their part of the undo log is durable. Without `done` their outcome is unknown. */
  | ({
      readonly type: 'intent';
      readonly stage: StageName;
      /** Ids of the first and the last batch. */
      readonly batches: readonly [number, number];
      readonly at: number;
    } & UndoMember)
  /** A batch and what became of its records. */
  | ({ readonly type: 'done'; readonly stage: StageName; readonly at: number } & Checkpoint)
  /** A batch that was taken back. */
  | ({ readonly type: 'undone'; readonly stage: StageName; readonly at: number } & Checkpoint)
  /** What held the run's batches back, or that it goes on. */
  | { readonly type: 'note'; readonly text: string; readonly at: number }
  | { readonly type: 'failed'; readonly error: string; readonly at: number }
  | { readonly type: 'end'; readonly outcome: string; readonly at: number };

/** Where a group of batches stands in its undo log. */
export interface UndoMember {
  /** Bytes. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
  /** CRC-32 of these bytes. */
  readonly crc: number;
}
