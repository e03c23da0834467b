import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorText, MigrateError } from '../model/errors.ts';
import type { Json } from '../model/json.ts';
import type { Move } from '../model/move.ts';
import type { StageName } from '../stages/stage.ts';
import { ifThere } from './if-there.ts';
import { TO_READ } from './no-follow.ts';
import { checkFolder } from './state-folder.ts';

const SCHEMA = 'tenant-migrate/run@2';

/** Which wave of which map a run is; waves are counted from 1. */
export interface MapWave {
  readonly id: string;
  readonly wave: number;
  readonly of: number;
}

/** What `run.json` says about its run. */
export interface RunRecord {
  readonly schema: typeof SCHEMA;
  readonly id: string;
  readonly toolVersion: string;
  readonly moves: readonly Move[];
  /** The list of several waves that the run is one of; absent where it stands alone. */
  readonly map?: MapWave | undefined;
  readonly state: 'running' | 'done' | 'refused' | 'failed' | 'stopped' | 'rolled-back';
  /** Over the profile: a run goes on only under the templates with which it began. */
  readonly profileDigest: string;
  /** Where each stage's store is, without credentials: the same ids on other servers are another move. */
  readonly stores: Readonly<Partial<Record<StageName, string>>>;
  /** The settings of the newest process that moved, by the names of their flags, so that `resume` needs none. No secret. */
  readonly settings: Readonly<Record<string, Json>>;
  /** Stages whose part has been moved and verified. */
  readonly settled: readonly StageName[];
  /** Stages that a rollback has taken back. */
  readonly undone: readonly StageName[];
  /** ISO 8601. */
  readonly startedAt: string;
  readonly updatedAt: string;
}

/** Whether nothing is left to do for the run: moved, refused before any write, or taken back. */
export function isFinished({ state }: RunRecord): boolean {
  return state === 'done' || state === 'refused' || state === 'rolled-back';
}

/**
 * The record; undefined for a folder whose run ended before its record was written, and so before anything else. Throws
 * MigrateError `settings` where it cannot be read, or the folder is not to be trusted.
 */
export async function readRecord(path: string): Promise<RunRecord | undefined> {
  await checkFolder(path);
  const text = await ifThere(readFile(join(path, 'run.json'), { encoding: 'utf8', flag: TO_READ }));
  if (text === undefined && !(await holdsUndo(path))) return undefined;
  try {
    const record = JSON.parse(text ?? '') as RunRecord;
    if (record.schema !== SCHEMA) throw new Error(`its schema is ${String(record.schema)}`);
    return record;
  } catch (error) {
    const next = 'see what the folder holds; move it away if it is not a run of this tool';
    const message = `the run folder ${path} holds no readable run.json: ${errorText(error)}`;
    throw new MigrateError('settings', message, { next, cause: error });
  }
}

async function holdsUndo(path: string): Promise<boolean> {
  for (const name of (await ifThere(readdir(join(path, 'undo')))) ?? []) {
    if ((await stat(join(path, 'undo', name))).size > 0) return true;
  }
  return false;
}
