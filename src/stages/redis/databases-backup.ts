import { MigrateError } from '../../model/errors.ts';
import type { Json } from '../../model/json.ts';
import type { RedisDatabases } from '../../stores/redis/redis-databases.ts';
import type { RedisReader, RedisWriter } from '../../stores/redis/redis-store.ts';
import type { BackupPart, RestoreLook, StageBackup } from '../stage.ts';
import { redisBackup } from './backup.ts';

/** As of one database, with its number in each line. */
export const databasesBackup: StageBackup<RedisDatabases<RedisReader>, RedisDatabases<RedisWriter>> = {
  async *read(tenant, ctx) {
    for (const { db, store } of ctx.store.databases) {
      for await (const { lines, notKept } of redisBackup.read(tenant, { ...ctx, store })) {
        const told = notKept?.map((text) => `database ${db}: ${text}`);
        yield {
          lines: lines.map(({ kind, text }) => ({ kind, text: withDatabase(text, db) })),
          ...(told === undefined ? {} : { notKept: told }),
        };
      }
    }
  },

  async compare(part, ctx) {
    const looks: RestoreLook[] = [];
    await requireKnown(part, ctx.store);
    for (const { db, store } of ctx.store.databases)
      looks.push(await redisBackup.compare(partOf(part, db), { ...ctx, store }));
    return sumOf(looks);
  },

  async *restore(part, ctx) {
    await requireKnown(part, ctx.store);
    for (const { db, store } of ctx.store.databases)
      yield* redisBackup.restore(partOf(part, db), { ...ctx, permit: (units) => ctx.permit(units), store });
  },

  async *undoEntries(part, move, profile) {
    for (const db of await databasesIn(part)) {
      for await (const entries of redisBackup.undoEntries(partOf(part, db), move, profile))
        yield entries.map((entry): Json => ({ ...(entry as Record<string, Json>), db }));
    }
  },
};

/** Without parsing: a line may hold megabytes. */
function withDatabase(text: string, db: number): string {
  return `${text.slice(0, -1)},"db":${db}}`;
}

/** The database of a backup's line; undefined where the backup was made of one database alone. */
export function databaseIn(line: string): number | undefined {
  const found = /,"db":(\d+)\}$/.exec(line.slice(-20));
  return found === null ? undefined : Number(found[1]);
}

function partOf(part: BackupPart, db: number): BackupPart {
  return {
    ...part,
    async *lines() {
      for await (const lines of part.lines()) {
        const own = lines.filter((line) => databaseIn(line) === db);
        if (own.length > 0) yield own.map((line) => line.replace(/,"db":\d+\}$/, '}'));
      }
    },
  };
}

async function databasesIn(part: BackupPart): Promise<readonly number[]> {
  const found = new Set<number>();
  for await (const lines of part.lines()) for (const line of lines) found.add(databaseIn(line) ?? -1);
  if (found.has(-1)) {
    throw new MigrateError('refused', `the backup ${part.id} was made of one database alone`, {
      stage: 'redis',
      next: 'give that one alone with --redis-db',
    });
  }
  return [...found].sort((a, b) => a - b);
}

async function requireKnown(part: BackupPart, store: RedisDatabases<unknown>): Promise<void> {
  const open = store.databases.map(({ db }) => db);
  const missing = (await databasesIn(part)).filter((db) => !open.includes(db));
  if (missing.length === 0) return;
  throw new MigrateError('refused', `the backup ${part.id} also holds database ${missing.join(', ')} of Redis`, {
    stage: 'redis',
    next: `give --redis-db ${[...open, ...missing].sort((a, b) => a - b).join(',')}`,
  });
}

function sumOf(looks: readonly RestoreLook[]): RestoreLook {
  const sum = (of: (look: RestoreLook) => number) => looks.reduce((total, look) => total + of(look), 0);
  return {
    absent: sum(({ absent }) => absent),
    equal: sum(({ equal }) => equal),
    expired: sum(({ expired }) => expired),
    different: sum(({ different }) => different),
    notRestorable: sum(({ notRestorable }) => notRestorable),
    schemaAbsent: 0,
    work: looks.some(({ work }) => work),
    samples: looks.flatMap(({ samples }) => samples),
    notes: looks.flatMap(({ notes }) => notes),
  };
}
