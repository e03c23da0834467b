import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MigrateError } from '../model/errors.ts';
import type { Json } from '../model/json.ts';
import type { Move } from '../model/move.ts';
import type { StageName } from '../stages/stage.ts';
import { UndoFile } from './undo-file.ts';

/** What the run folder says about its run. */
export interface RunRecord {
  readonly schema: 'tenant-migrate/run@1';
  readonly id: string;
  readonly toolVersion: string;
  readonly moves: readonly Move[];
  readonly state: 'running' | 'done' | 'refused' | 'failed' | 'stopped' | 'rolled-back';
  /** Over the profile: a run goes on only under the templates with which it began. */
  readonly profileDigest: string;
  /** Where each stage's store is, without credentials: the same ids on other servers are another move. */
  readonly stores: Readonly<Partial<Record<StageName, string>>>;
  /** Stages whose part has been moved and verified. */
  readonly settled: readonly StageName[];
  /** Stages that a rollback has taken back. */
  readonly undone: readonly StageName[];
  /** ISO 8601. */
  readonly startedAt: string;
  readonly updatedAt: string;
}

/** Whether nothing is left to do for the run: moved, refused before any write, or taken back. */
function isFinished({ state }: RunRecord): boolean {
  return state === 'done' || state === 'refused' || state === 'rolled-back';
}

/** The folder of one run: `run.json`, `plan.json`, `report.json`, `undo/<stage>.ndjson`. */
export class RunFolder {
  readonly path: string;
  #record: RunRecord;
  readonly #undo = new Map<StageName, UndoFile>();

  private constructor(path: string, record: RunRecord) {
    this.path = path;
    this.#record = record;
  }

  /** Makes the folder of a new run (0700). Throws MigrateError `settings` where the state folder cannot be written. */
  static async create(
    stateDir: string,
    run: Omit<RunRecord, 'schema' | 'updatedAt' | 'state' | 'id' | 'settled' | 'undone'>,
  ): Promise<RunFolder> {
    const id = `${run.startedAt.replace(/[-:]|\.\d+Z$/g, '')}-${randomBytes(3).toString('hex')}`;
    const path = join(stateDir, 'runs', id);
    try {
      await mkdir(join(path, 'undo'), { recursive: true, mode: 0o700 });
      const folder = new RunFolder(path, {
        schema: 'tenant-migrate/run@1',
        id,
        ...run,
        state: 'running',
        settled: [],
        undone: [],
        updatedAt: run.startedAt,
      });
      await folder.#save('run.json', folder.#record as unknown as Json);
      return folder;
    } catch (error) {
      throw new MigrateError(
        'settings',
        `the state folder ${stateDir} cannot be written: ${(error as Error).message}`,
        {
          next: 'set --state-dir to a folder that you may write',
          cause: error,
        },
      );
    }
  }

  /** All runs whose stores may have been written to and that did not end well, newest first. */
  static async unfinished(stateDir: string): Promise<readonly RunFolder[]> {
    const folders = await RunFolder.all(stateDir);
    const unfinished: RunFolder[] = [];
    for (const folder of folders) {
      if (await folder.isUnfinished()) unfinished.push(folder);
    }
    return unfinished;
  }

  /** All runs, newest first. A folder without a readable record is an error: it may be the one that matters. */
  static async all(stateDir: string): Promise<readonly RunFolder[]> {
    const runs = join(stateDir, 'runs');
    const folders: RunFolder[] = [];
    for (const name of await foldersIn(runs)) {
      const path = join(runs, name);
      const record = await readRecord(path);
      if (record !== undefined) folders.push(new RunFolder(path, record));
    }
    // By the time itself: a run's id holds only its second.
    const key = ({ record }: RunFolder) => `${record.startedAt} ${record.id}`;
    return folders.sort((a, b) => (key(a) < key(b) ? 1 : -1));
  }

  get record(): RunRecord {
    return this.#record;
  }

  /** Whether the run still wants a command: it may have written, and did not come to an end. */
  async isUnfinished(): Promise<boolean> {
    return !isFinished(this.#record) && (await this.hasWritten());
  }

  /** True once an intent to write was logged in any stage. */
  hasWritten(): Promise<boolean> {
    return holdsUndo(this.path);
  }

  async setState(state: RunRecord['state'], at: string): Promise<void> {
    this.#record = { ...this.#record, state, updatedAt: at };
    await this.#save('run.json', this.#record as unknown as Json);
  }

  /** Stages in which an intent to write was logged. */
  async writtenStages(): Promise<readonly StageName[]> {
    return (await undoLogs(this.path)).map((name) => name.replace(/\.ndjson$/, '') as StageName);
  }

  /** Notes where further stages' stores are. */
  async addStores(stores: RunRecord['stores'], at: string): Promise<void> {
    this.#record = { ...this.#record, stores: { ...stores, ...this.#record.stores }, updatedAt: at };
    await this.#save('run.json', this.#record as unknown as Json);
  }

  /** Notes that these stages are moved and verified. */
  async settle(stages: readonly StageName[], at: string): Promise<void> {
    const settled = [...new Set([...this.#record.settled, ...stages])];
    const undone = this.#record.undone.filter((name) => !stages.includes(name));
    this.#record = { ...this.#record, settled, undone, updatedAt: at };
    await this.#save('run.json', this.#record as unknown as Json);
  }

  /** Notes that these stages are taken back: moved again, they must be verified again. */
  async unsettle(stages: readonly StageName[], at: string): Promise<void> {
    const undone = [...new Set([...this.#record.undone, ...stages])];
    const settled = this.#record.settled.filter((name) => !stages.includes(name));
    this.#record = { ...this.#record, settled, undone, updatedAt: at };
    await this.#save('run.json', this.#record as unknown as Json);
  }

  savePlan(plan: Json): Promise<void> {
    return this.#save('plan.json', plan);
  }

  /** The plan that was stored, or undefined where the run did not come so far. */
  async readPlan(): Promise<unknown> {
    const text = await readFileIfThere(join(this.path, 'plan.json'));
    return text === undefined ? undefined : JSON.parse(text);
  }

  saveReport(report: Json): Promise<void> {
    return this.#save('report.json', report);
  }

  /** The undo log of a stage, opened at its first use. */
  async undo(stage: StageName): Promise<UndoFile> {
    const opened = this.#undo.get(stage);
    if (opened !== undefined) return opened;
    const file = await UndoFile.open(join(this.path, 'undo', `${stage}.ndjson`));
    this.#undo.set(stage, file);
    return file;
  }

  async close(): Promise<void> {
    for (const file of this.#undo.values()) await file.close();
    this.#undo.clear();
  }

  /** Replaces a file as a whole or not at all: written aside, synced, renamed, the folder synced. */
  async #save(name: string, content: Json): Promise<void> {
    const path = join(this.path, name);
    const file = await open(`${path}.new`, 'w', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(content, undefined, 2)}\n`);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
    const folder = await open(this.path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}

async function holdsUndo(path: string): Promise<boolean> {
  return (await undoLogs(path)).length > 0;
}

/** The undo logs that hold something. */
async function undoLogs(path: string): Promise<readonly string[]> {
  const names: string[] = [];
  for (const name of await readdirIfThere(join(path, 'undo'))) {
    if ((await stat(join(path, 'undo', name))).size > 0) names.push(name);
  }
  return names;
}

/** The record; undefined for a folder whose run ended before its record was written, and so before anything else. */
async function readRecord(path: string): Promise<RunRecord | undefined> {
  const text = await readFileIfThere(join(path, 'run.json'));
  if (text === undefined && !(await holdsUndo(path))) return undefined;
  try {
    const record = JSON.parse(text ?? '') as RunRecord;
    if (record.schema !== 'tenant-migrate/run@1') throw new Error(`its schema is ${String(record.schema)}`);
    return record;
  } catch (error) {
    throw new MigrateError(
      'settings',
      `the run folder ${path} holds no readable run.json: ${(error as Error).message}`,
      {
        next: 'see what the folder holds; move it away if it is not a run of this tool',
        cause: error,
      },
    );
  }
}

/** Names of the folders in a folder; a file beside them (as file managers leave) is no run. */
async function foldersIn(path: string): Promise<string[]> {
  const entries = (await ifThere(readdir(path, { withFileTypes: true }))) ?? [];
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

async function readdirIfThere(path: string): Promise<string[]> {
  return (await ifThere(readdir(path))) ?? [];
}

function readFileIfThere(path: string): Promise<string | undefined> {
  return ifThere(readFile(path, 'utf8'));
}

/** Only "there is no such file" means empty; every other failure is one. */
async function ifThere<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
