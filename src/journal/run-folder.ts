import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorText, MigrateError } from '../model/errors.ts';
import type { Json } from '../model/json.ts';
import type { Checkpoint, StageName } from '../stages/stage.ts';
import { ifThere } from './if-there.ts';
import { Journal, readJournal } from './journal.ts';
import { FORMAT, type JournalEntry } from './journal-entry.ts';
import { hasUnknownBatch, isLost, isUndoOpen, membersOf } from './journal-facts.ts';
import { TO_READ } from './no-follow.ts';
import { replaceFile } from './replace-file.ts';
import { isFinished, type RunRecord, readRecord } from './run-record.ts';
import { foldersOf, makePart } from './state-folder.ts';
import { syncFolder } from './sync-folder.ts';
import { UndoLog } from './undo-log.ts';
import { writing } from './unwritable.ts';

/** The process that writes into a run's folder. */
export interface RunProcess {
  readonly command: string;
  readonly toolVersion: string;
  /** Digest of its settings. */
  readonly settings: string;
  readonly pid: number;
  readonly host: string;
  now(): number;
}

/** The folder of one run: `run.json`, `plan.json`, `journal.ndjson`, `undo/<stage>.ndjson.gz`, `report.json`. */
export class RunFolder {
  readonly path: string;
  #record: RunRecord;
  #writing: { readonly journal: Journal; readonly process: RunProcess } | undefined;
  readonly #undo = new Map<StageName, Promise<UndoLog>>();

  private constructor(path: string, record: RunRecord) {
    this.path = path;
    this.#record = record;
  }

  /** An id that no other run has: the time to the second, and six random hex digits. */
  static newId(startedAt: string): string {
    return `${startedAt.replace(/[-:]|\.\d+Z$/g, '')}-${randomBytes(3).toString('hex')}`;
  }

  /** Makes the folder of a new run (0700). Throws MigrateError `settings` where the state folder cannot be written. */
  static async create(
    stateDir: string,
    run: Omit<RunRecord, 'schema' | 'updatedAt' | 'state' | 'id' | 'settled' | 'undone'> & { readonly id?: string },
  ): Promise<RunFolder> {
    const id = run.id ?? RunFolder.newId(run.startedAt);
    const path = join(stateDir, 'runs', id);
    const [schema, updatedAt] = ['tenant-migrate/run@2', run.startedAt] as const;
    const record: RunRecord = { schema, ...run, id, state: 'running', settled: [], undone: [], updatedAt };
    try {
      const runs = await makePart(stateDir, 'runs');
      for (const made of [path, join(path, 'undo')]) await mkdir(made, { mode: 0o700 });
      const journal = await Journal.create(join(path, 'journal.ndjson'), firstEntry(record, Date.parse(updatedAt)));
      await journal.close();
      const folder = new RunFolder(path, record);
      await folder.#save('run.json', folder.#record as unknown as Json);
      await syncFolder(runs);
      return folder;
    } catch (error) {
      if (error instanceof MigrateError) throw error;
      const text = `the state folder ${stateDir} cannot be written: ${errorText(error)}`;
      throw new MigrateError('settings', text, {
        next: 'set --state-dir to a folder that you may write',
        cause: error,
      });
    }
  }

  /** All runs whose stores may have been written to and that did not end well, newest first. */
  static async unfinished(stateDir: string): Promise<readonly RunFolder[]> {
    const unfinished: RunFolder[] = [];
    for (const folder of await RunFolder.all(stateDir)) {
      if (await folder.isUnfinished()) unfinished.push(folder);
    }
    return unfinished;
  }

  /** All runs, newest first. A folder without a readable record is an error: it may be the one that matters. */
  static async all(stateDir: string): Promise<readonly RunFolder[]> {
    const folders: RunFolder[] = [];
    for (const name of await runsIn(stateDir)) {
      const path = join(stateDir, 'runs', name);
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

  /**
   * Whether the run still wants a command: it may have written, and did not come to an end. So does one whose journal
   * cannot be trusted: it must not be forgotten, nor stop the runs of other tenants.
   */
  async isUnfinished(): Promise<boolean> {
    if (isFinished(this.#record)) return false;
    try {
      return await this.hasWritten();
    } catch (error) {
      if (error instanceof MigrateError && error.code === 'journal') return true;
      throw error;
    }
  }

  /** Whether nothing is left to do for the run. */
  get isFinished(): boolean {
    return isFinished(this.#record);
  }

  /**
   * Whether a stage was taken back whole and not written to since. What stands at the target then is not the run's: to
   * take it back once more could take away what others have put there.
   */
  async isTakenBack(stage: StageName): Promise<boolean> {
    if (!this.#record.undone.includes(stage)) return false;
    const entries = await this.entries();
    const written = entries.findLastIndex((entry) => entry.type === 'intent' && entry.stage === stage);
    const since = entries
      .slice(written + 1)
      .flatMap((entry) => (entry.type === 'undone' && entry.stage === stage ? [entry] : []));
    return since.length > 0 && since.every(({ conflicts = 0, failed = 0 }) => conflicts + failed === 0);
  }

  /** True once an intent to write was logged in any stage. */
  async hasWritten(): Promise<boolean> {
    return (await this.writtenStages()).length > 0;
  }

  /** Stages in which an intent to write was logged; all of them where the journal that would tell is gone. */
  async writtenStages(): Promise<readonly StageName[]> {
    const entries = await this.entries();
    if (isLost(entries)) return Object.keys(this.#record.stores) as StageName[];
    return [...new Set(entries.flatMap((entry) => (entry.type === 'intent' ? [entry.stage] : [])))];
  }

  /**
   * Stages in which something was sent whose outcome is not known: it may still arrive. Where the journal is gone, or a
   * rollback was broken off, all that were written to.
   */
  async unsettledStages(): Promise<readonly StageName[]> {
    const [entries, written] = [await this.entries(), await this.writtenStages()];
    if (isLost(entries) || isUndoOpen(entries)) return written;
    return written.filter((stage) => hasUnknownBatch(entries, stage));
  }

  /** Whether the journal was found gone: what the run has done is known from the stores alone. */
  async isJournalLost(): Promise<boolean> {
    return isLost(await this.entries());
  }

  /** The journal, also while another process writes it; empty where it is gone. Throws MigrateError `journal`. */
  async entries(): Promise<readonly JournalEntry[]> {
    if (this.#writing !== undefined) return this.#writing.journal.entries;
    return (await ifThere(readJournal(join(this.path, 'journal.ndjson'), this.#record.id))) ?? [];
  }

  /** From here on this process works on the run: it must hold the run's locks. Throws MigrateError `journal`. */
  async open(process: RunProcess): Promise<void> {
    if (this.#writing !== undefined) throw new MigrateError('internal', `the run folder ${this.path} is open already`);
    // Another process may have gone on with the run since it was found.
    this.#record = (await readRecord(this.path)) ?? this.#record;
    const path = join(this.path, 'journal.ndjson');
    const { command, toolVersion: tool, settings, pid, host } = process;
    const first = { ...firstEntry(this.#record, process.now()), lost: true } as const;
    const journal = await writing(
      path,
      async () => (await ifThere(Journal.open(path, this.#record.id))) ?? (await Journal.create(path, first)),
    );
    this.#writing = { journal, process };
    await writing(path, async () => {
      // Not one whole line: a crash came while a journal was begun anew, or all of it is gone.
      if (journal.entries.length === 0) await journal.append(first);
      await journal.append({ type: 'process', command, tool, settings, pid, host, at: process.now() });
    });
  }

  /** A batch is done. Durable with the next intent. */
  done(stage: StageName, checkpoint: Checkpoint): void {
    this.#note({ type: 'done', stage, ...checkpoint, at: this.#now() });
  }

  /** A batch is taken back. */
  takenBack(stage: StageName, checkpoint: Checkpoint): void {
    this.#note({ type: 'undone', stage, ...checkpoint, at: this.#now() });
  }

  phase(phase: string, totals?: Readonly<Partial<Record<StageName, number>>>): void {
    this.#note({ type: 'phase', phase, ...(totals === undefined ? {} : { totals }), at: this.#now() });
  }

  /** What held the run back. */
  note(text: string): void {
    this.#note({ type: 'note', text, at: this.#now() });
  }

  async setState(state: RunRecord['state'], at: string): Promise<void> {
    await this.#change({ state }, at);
  }

  /**
   * Before the first write: notes where these stages' stores are, and the settings with which the run goes on. What was
   * verified or taken back of these stages before holds no longer.
   */
  async begin(stores: RunRecord['stores'], settings: RunRecord['settings'], at: string): Promise<void> {
    const { stores: before, settled, undone } = this.#record;
    const others = (names: readonly StageName[]) => names.filter((name) => stores[name] === undefined);
    const change = { stores: { ...before, ...stores }, settled: others(settled), undone: others(undone) };
    await this.#change({ state: 'running', settings, ...change }, at);
  }

  /** Notes that these stages are moved and verified. */
  async settle(stages: readonly StageName[], at: string): Promise<void> {
    const settled = [...new Set([...this.#record.settled, ...stages])];
    const undone = this.#record.undone.filter((name) => !stages.includes(name));
    await this.#change({ settled, undone }, at);
  }

  /** Notes that these stages are taken back: moved again, they must be verified again. */
  async unsettle(stages: readonly StageName[], at: string): Promise<void> {
    const undone = [...new Set([...this.#record.undone, ...stages])];
    const settled = this.#record.settled.filter((name) => !stages.includes(name));
    await this.#change({ settled, undone }, at);
  }

  /** Stores the plan. The journal names it first, so that at any moment the plan that stands here is one that it names. */
  async savePlan(plan: { readonly checksum: string; readonly digest: string }): Promise<void> {
    const { checksum, digest } = plan;
    const entry = { type: 'plan', checksum, digest, at: this.#now() } as const;
    await writing(this.path, () => this.#journal().append(entry));
    await this.#save('plan.json', plan as unknown as Json);
  }

  /** The plan that was stored, or undefined where the run did not come so far. Throws MigrateError `journal` on a foreign one. */
  async readPlan(): Promise<unknown> {
    const path = join(this.path, 'plan.json');
    const text = await ifThere(readFile(path, { encoding: 'utf8', flag: TO_READ }));
    if (text === undefined) return undefined;
    const plan: unknown = parsed(text, path);
    const entries = await this.entries();
    const known = entries.flatMap((entry) => (entry.type === 'plan' ? [entry.checksum] : []));
    if (!isLost(entries) && !known.includes(checksumOf(plan))) {
      throw new MigrateError('journal', `${path} is not the plan that this run’s journal names`, {
        next: 'put the run’s own plan back',
      });
    }
    return plan;
  }

  /** The run's process has come to its end: stores the report and the state. A run that was never opened keeps its own. */
  async end(
    report: { readonly outcome: string; readonly error: string | null },
    state: RunRecord['state'],
    at: string,
  ): Promise<void> {
    if (this.#writing !== undefined) {
      if (report.error !== null) this.#note({ type: 'failed', error: report.error, at: this.#now() });
      this.#note({ type: 'end', outcome: report.outcome, at: this.#now() });
    }
    await this.saveReport(report);
    await this.setState(state, at);
  }

  saveReport(report: object): Promise<void> {
    return this.#save('report.json', report as Json);
  }

  /** The report of the run's last process, or undefined. */
  async readReport(): Promise<unknown> {
    const path = join(this.path, 'report.json');
    const text = await ifThere(readFile(path, { encoding: 'utf8', flag: TO_READ }));
    return text === undefined ? undefined : parsed(text, path);
  }

  /** The undo log of a stage, opened at its first use. Only after {@link open}. */
  async undo(stage: StageName): Promise<UndoLog> {
    const journal = this.#journal();
    const opened = this.#undo.get(stage) ?? this.#openUndo(stage, journal);
    this.#undo.set(stage, opened);
    return opened;
  }

  /** Removes the folder: at once from the list of runs, so that a crash on the way leaves no half of it there. */
  async remove(): Promise<void> {
    const aside = join(this.path, '..', '..', `removed-${this.#record.id}`);
    await rename(this.path, aside);
    await rm(aside, { recursive: true });
  }

  /** Makes everything durable. */
  async close(): Promise<void> {
    const logs = await Promise.allSettled(this.#undo.values());
    const writing = this.#writing;
    this.#undo.clear();
    this.#writing = undefined;
    const opened = logs.flatMap((log) => (log.status === 'fulfilled' ? [log.value] : []));
    // Each is closed whatever becomes of the others.
    const closed = await Promise.allSettled(opened.map((log) => log.close()));
    await writing?.journal.close();
    for (const result of closed) if (result.status === 'rejected') throw result.reason;
  }

  #openUndo(stage: StageName, journal: Journal): Promise<UndoLog> {
    const path = join(this.path, 'undo', `${stage}.ndjson.gz`);
    return writing(path, () =>
      UndoLog.open({
        path,
        members: isLost(journal.entries) ? undefined : membersOf(journal.entries, stage),
        intend: ({ batches, offset, length, crc }) =>
          journal.append({ type: 'intent', stage, batches, offset, length, crc, at: this.#now() }),
      }),
    );
  }

  #journal(): Journal {
    if (this.#writing !== undefined) return this.#writing.journal;
    throw new MigrateError('internal', `the run folder ${this.path} is not open for writing`);
  }

  #note(entry: JournalEntry): void {
    this.#journal().note(entry);
  }

  #now(): number {
    return this.#writing?.process.now() ?? 0;
  }

  async #change(change: Partial<RunRecord>, updatedAt: string): Promise<void> {
    this.#record = { ...this.#record, ...change, updatedAt };
    await this.#save('run.json', this.#record as unknown as Json);
  }

  async #save(name: string, content: Json): Promise<void> {
    const path = join(this.path, name);
    await writing(path, () => replaceFile(path, content));
  }
}

function firstEntry({ id, toolVersion }: RunRecord, at: number): JournalEntry & { type: 'run' } {
  return { type: 'run', format: FORMAT, run: id, tool: toolVersion, at };
}

function checksumOf(plan: unknown): string {
  return typeof plan === 'object' && plan !== null && 'checksum' in plan ? String(plan.checksum) : '';
}

function parsed(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const next = 'put back a copy of it';
    throw new MigrateError('journal', `${path} is not JSON: ${errorText(error)}`, { next, cause: error });
  }
}

/** A file beside the folders (as file managers leave) is no run. */
async function runsIn(stateDir: string): Promise<readonly string[]> {
  try {
    return await foldersOf(stateDir, 'runs');
  } catch (error) {
    if (error instanceof MigrateError) throw error;
    throw new MigrateError('settings', `${join(stateDir, 'runs')} cannot be read: ${errorText(error)}`, {
      next: 'set --state-dir to a folder that you may read and write',
      cause: error,
    });
  }
}
