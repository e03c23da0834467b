import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorText, MigrateError } from '../model/errors.ts';
import type { Json } from '../model/json.ts';
import type { Move } from '../model/move.ts';
import type { StageName } from '../stages/stage.ts';
import { ifThere } from './if-there.ts';
import { TO_READ } from './no-follow.ts';
import { replaceFile } from './replace-file.ts';
import { checkFolder, foldersOf, makePart } from './state-folder.ts';
import { syncFolder } from './sync-folder.ts';
import { writing } from './unwritable.ts';

const SCHEMA = 'tenant-migrate/map@1';

/**
 * What `map.json` says about a list of moves that takes several waves. It never changes: how far the list is, the runs of
 * its waves tell, each of which names its map.
 */
export interface MapRecord {
  readonly schema: typeof SCHEMA;
  readonly id: string;
  readonly toolVersion: string;
  /** As they were asked for. */
  readonly moves: readonly Move[];
  /** As they are made, one wave after another. */
  readonly waves: readonly (readonly Move[])[];
  readonly temporary: readonly string[];
  /** What belongs to a tenant, as it was decided then. */
  readonly profile: Json;
  /** Where each stage's store is, without credentials. */
  readonly stores: Readonly<Partial<Record<StageName, string>>>;
  /** Of the command that began it, by the names of its flags. No secret. */
  readonly settings: Readonly<Record<string, Json>>;
  /** ISO 8601. */
  readonly startedAt: string;
}

/** The folder of one map: `map.json`, `report.json`. Its waves are runs like any other. */
export class MapFolder {
  readonly path: string;
  readonly record: MapRecord;

  private constructor(path: string, record: MapRecord) {
    this.path = path;
    this.record = record;
  }

  /** Makes the folder (0700), durable before the first wave begins. Throws MigrateError `settings`. */
  static async create(stateDir: string, map: Omit<MapRecord, 'schema'>): Promise<MapFolder> {
    const path = join(stateDir, 'maps', map.id);
    const record: MapRecord = { schema: SCHEMA, ...map };
    await writing(path, async () => {
      const maps = await makePart(stateDir, 'maps');
      await mkdir(path, { mode: 0o700 });
      await replaceFile(join(path, 'map.json'), record);
      await syncFolder(maps);
      await syncFolder(stateDir);
    });
    return new MapFolder(path, record);
  }

  /** All maps, newest first. A folder whose record cannot be read is an error: it may be the one that matters. */
  static async all(stateDir: string): Promise<readonly MapFolder[]> {
    const folders: MapFolder[] = [];
    for (const name of await foldersOf(stateDir, 'maps')) {
      const path = join(stateDir, 'maps', name);
      const record = await readMap(path);
      if (record !== undefined) folders.push(new MapFolder(path, record));
    }
    const key = ({ record }: MapFolder) => `${record.startedAt} ${record.id}`;
    return folders.sort((a, b) => (key(a) < key(b) ? 1 : -1));
  }

  saveReport(report: object): Promise<void> {
    return writing(this.path, () => replaceFile(join(this.path, 'report.json'), report));
  }

  /** The report of the list's last process, or undefined. */
  async readReport(): Promise<unknown> {
    const text = await ifThere(readFile(join(this.path, 'report.json'), { encoding: 'utf8', flag: TO_READ }));
    return text === undefined ? undefined : JSON.parse(text);
  }

  /** Removes the folder: at once from the list, so that a crash on the way leaves no half of it there. */
  async remove(): Promise<void> {
    const aside = join(this.path, '..', '..', `removed-${this.record.id}`);
    await rename(this.path, aside);
    await rm(aside, { recursive: true });
  }
}

/** Undefined for a folder that was ended before its record was written, and so before anything else. */
async function readMap(path: string): Promise<MapRecord | undefined> {
  await checkFolder(path);
  const text = await ifThere(readFile(join(path, 'map.json'), { encoding: 'utf8', flag: TO_READ }));
  if (text === undefined) return undefined;
  try {
    const record = JSON.parse(text) as MapRecord;
    if (record.schema !== SCHEMA) throw new Error(`its schema is ${String(record.schema)}`);
    return record;
  } catch (error) {
    const next = 'see what the folder holds; move it away if it is not a map of this tool';
    const message = `the map folder ${path} holds no readable map.json: ${errorText(error)}`;
    throw new MigrateError('settings', message, { next, cause: error });
  }
}
