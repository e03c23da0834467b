import { randomBytes } from 'node:crypto';
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorText, MigrateError } from '../model/errors.ts';
import type { BackupBatch, BackupPart, StageName } from '../stages/stage.ts';
import { type BackupManifest, type FoundManifest, MANIFEST, readManifest, writeManifest } from './backup-manifest.ts';
import { partProblem, readPart, type WrittenPart, writePart } from './backup-part.ts';
import { foldersOf, makePart } from './state-folder.ts';
import { syncFolder } from './sync-folder.ts';

/** The folder of one backup: a gzip file for each stage, and `manifest.json`, which is written last. */
export class BackupFolder {
  readonly id: string;
  readonly path: string;
  /** When the folder was made, ms. */
  readonly madeAt: number;
  #found: FoundManifest;

  private constructor(at: { id: string; path: string; madeAt: number; found: FoundManifest }) {
    this.id = at.id;
    this.path = at.path;
    this.madeAt = at.madeAt;
    this.#found = at.found;
  }

  /** Makes the folder of a new backup (0700). Throws MigrateError `settings` where the state folder cannot be written. */
  static async create(stateDir: string, now: number): Promise<BackupFolder> {
    const time = new Date(now).toISOString().replace(/[-:]|\.\d+Z$/g, '');
    const id = `${time}-${randomBytes(3).toString('hex')}`;
    const path = join(stateDir, 'backups', id);
    try {
      const backups = await makePart(stateDir, 'backups');
      await mkdir(path, { mode: 0o700 });
      await syncFolder(backups);
      return new BackupFolder({ id, path, madeAt: now, found: { state: 'unfinished' } });
    } catch (error) {
      if (error instanceof MigrateError) throw error;
      throw new MigrateError('settings', `the state folder ${stateDir} cannot be written: ${errorText(error)}`, {
        next: 'set --state-dir to a folder that you may write',
        cause: error,
      });
    }
  }

  /** All backups, newest first, also unfinished and damaged ones. */
  static async all(stateDir: string): Promise<readonly BackupFolder[]> {
    const ids = [...(await foldersOf(stateDir, 'backups'))];
    const folders: BackupFolder[] = [];
    for (const id of ids.sort().reverse()) {
      const path = join(stateDir, 'backups', id);
      folders.push(new BackupFolder({ id, path, madeAt: await madeAt(path), found: await readManifest(path) }));
    }
    return folders;
  }

  get found(): FoundManifest {
    return this.#found;
  }

  /** The manifest. Throws MigrateError `refused` where the backup is unfinished or its manifest damaged. */
  get manifest(): BackupManifest {
    if (this.#found.state === 'complete') return this.#found.manifest;
    const { state } = this.#found;
    const why = state === 'damaged' ? `is damaged: ${MANIFEST} ${this.#found.reason}` : 'was never finished';
    throw new MigrateError('refused', `the backup ${this.id} ${why}`, {
      next: 'use another; tenant-migrate backup list shows all',
    });
  }

  /** Streams a stage's records to its file; durable when it resolves. */
  writePart(stage: StageName, batches: AsyncIterable<BackupBatch>): Promise<WrittenPart> {
    const file = `${stage}.ndjson.gz`;
    return writePart(join(this.path, file), file, batches);
  }

  /** Makes the backup complete. */
  async finish(manifest: Omit<BackupManifest, 'schema' | 'id'>): Promise<BackupManifest> {
    const whole: BackupManifest = { schema: 'tenant-migrate/backup@1', id: this.id, ...manifest };
    await syncFolder(this.path);
    await writeManifest(this.path, whole);
    this.#found = { state: 'complete', manifest: whole };
    return whole;
  }

  /** Sets until when the backup is kept. */
  async keepUntil(until: number): Promise<void> {
    const manifest = { ...this.manifest, keepUntil: new Date(until).toISOString() };
    await writeManifest(this.path, manifest);
    this.#found = { state: 'complete', manifest };
  }

  /** What is wrong with the files, each as `file: what`; reads all of them. Throws where there is no manifest to go by. */
  async problems(): Promise<readonly string[]> {
    const problems: string[] = [];
    for (const part of this.manifest.parts) {
      const problem = await partProblem(join(this.path, part.file), part);
      if (problem !== undefined) problems.push(`${part.file}: ${problem}`);
    }
    return problems;
  }

  /** A stage's records; undefined where the backup was made without it. */
  part(stage: StageName): BackupPart | undefined {
    const { id, tenant, parts } = this.manifest;
    const part = parts.find((one) => one.stage === stage);
    if (part === undefined) return undefined;
    return { id, tenant, lines: () => readPart(join(this.path, part.file)) };
  }

  /** Removes the backup, its manifest first: what a stop leaves is an unfinished one. */
  async remove(): Promise<void> {
    await rm(join(this.path, MANIFEST), { force: true });
    await rm(this.path, { recursive: true, force: true });
  }
}

/** From the id, which begins with the time; where it does not, from the folder itself. */
async function madeAt(path: string): Promise<number> {
  const time = /(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)-[0-9a-f]+$/.exec(path);
  if (time === null) return (await stat(path)).mtimeMs;
  const [, year, month, day, hour, minute, second] = time;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}
