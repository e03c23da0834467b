import { MigrateError } from '../../model/errors.ts';
import { grouped } from '../../model/grouped.ts';
import type { Json } from '../../model/json.ts';
import type { Move } from '../../model/move.ts';
import type { RedisDatabase, RedisDatabases } from '../../stores/redis/redis-databases.ts';
import type { RedisReader, RedisWriter } from '../../stores/redis/redis-store.ts';
import { redisStage } from '../redis.ts';
import type {
  ApplyContext,
  Checkpoint,
  Finding,
  PlanContext,
  Problem,
  Stage,
  StageEvent,
  StagePlan,
} from '../stage.ts';
import { databasesBackup } from './databases-backup.ts';
import { ofDatabase, taggedUndo } from './databases-undo.ts';
import type { RedisPlan } from './redis-plan.ts';

/** A plan for each database, and their sums. */
export interface RedisDatabasesPlan extends StagePlan {
  readonly stage: 'redis';
  readonly databases: readonly { readonly db: number; readonly plan: RedisPlan }[];
}

type Readers = RedisDatabases<RedisReader>;
type Writers = RedisDatabases<RedisWriter>;

/**
 * The redis stage for several databases of one server: each has its own plan, is moved, verified and taken back by
 * itself, one after the other, and stands with its number in the undo log. The stage proper knows nothing of it.
 */
export const redisDatabasesStage: Stage<Readers, Writers, RedisDatabasesPlan> = {
  name: 'redis',

  async preflight(moves, ctx, probe) {
    const found = await each(ctx, (one, { db }) => {
      const writer = probe && databaseOf(probe, db).store;
      return redisStage.preflight(moves, one, ...(writer === undefined ? [] : [writer]));
    });
    return found.flatMap(({ db, value }) => value.map((problem) => inDatabase(db, problem)));
  },

  async plan(moves, ctx) {
    const plans = await each(ctx, (one) => redisStage.plan(moves, one));
    return joined(
      moves,
      plans.map(({ db, value }) => ({ db, plan: value })),
    );
  },

  async verify(plan, phase, ctx) {
    const found = await each(ctx, (one, { db }) => redisStage.verify(planOf(plan, db), phase, one));
    return found.flatMap(({ db, value }) => value.map((finding) => inDatabase(db, finding)));
  },

  apply: (plan, ctx) => steps(plan, ctx, redisStage.apply),
  finalize: (plan, ctx) => steps(plan, ctx, redisStage.finalize),
  undo: (plan, ctx) => steps(plan, ctx, redisStage.undo),

  async quiesce(moves, ctx) {
    await each(ctx, async (one) => redisStage.quiesce?.(moves, one));
  },

  async tenants(ctx) {
    const found = await each(ctx, async (one) => (await redisStage.tenants?.(one)) ?? []);
    return [...new Set(found.flatMap(({ value }) => value))];
  },

  backup: databasesBackup,
};

/** Does it in every database, one after the other: together they would share the one thread of the server. */
async function each<S, T>(
  ctx: PlanContext<RedisDatabases<S>>,
  work: (ctx: PlanContext<S>, database: RedisDatabase<S>) => Promise<T>,
): Promise<readonly { readonly db: number; readonly value: T }[]> {
  const results: { readonly db: number; readonly value: T }[] = [];
  for (const database of ctx.store.databases) {
    const value = await work({ ...ctx, store: database.store }, database);
    results.push({ db: database.db, value });
  }
  return results;
}

async function* steps(
  plan: RedisDatabasesPlan,
  ctx: ApplyContext<Writers>,
  step: (plan: RedisPlan, ctx: ApplyContext<RedisWriter>) => AsyncIterable<Checkpoint>,
): AsyncIterable<Checkpoint> {
  const total = plan.moves.reduce((sum, { found }) => sum + found, 0);
  let before = 0;
  for (const { db, store } of ctx.store.databases) {
    const own = planOf(plan, db);
    const done = before;
    const emit = (event: StageEvent) => ctx.emit(summed(event, { done, total }));
    yield* step(own, {
      ...ctx,
      permit: (units) => ctx.permit(units),
      store,
      emit,
      undo: taggedUndo(ctx.undo, db),
    });
    before += own.moves.reduce((sum, { found }) => sum + found, 0);
  }
}

/** One database's counts as part of all. */
function summed(event: StageEvent, { done, total }: { done: number; total: number }): StageEvent {
  if (event.type === 'total') return { ...event, total };
  return event.type === 'progress' ? { ...event, done: done + event.done, total } : event;
}

function databaseOf<S>({ databases }: RedisDatabases<S>, db: number): RedisDatabase<S> {
  const found = databases.find((database) => database.db === db);
  if (found === undefined) throw new MigrateError('internal', `database ${db} is not open`);
  return found;
}

function planOf({ databases }: RedisDatabasesPlan, db: number): RedisPlan {
  const found = databases?.find((database) => database.db === db);
  if (found !== undefined) return found.plan;
  throw new MigrateError('stale-plan', `the plan does not hold database ${db} of Redis`, {
    stage: 'redis',
    next: 'give --redis-db as the plan was made with it, or make a new plan',
  });
}

function inDatabase<T extends Problem | Finding>(db: number, told: T): T {
  return { ...told, message: `database ${db}: ${told.message}` };
}

function joined(
  moves: readonly Move[],
  databases: readonly { readonly db: number; readonly plan: RedisPlan }[],
): RedisDatabasesPlan {
  const plans = databases.map(({ plan }) => plan);
  const sum = (of: (plan: RedisPlan) => number) => plans.reduce((total, plan) => total + of(plan), 0);
  const [first] = plans;
  const settled = plans.every((plan) => plan.settled === true);
  return {
    stage: 'redis',
    unit: first?.unit ?? 'keys',
    moves: moves.map(({ source, target }, index) => ({
      source,
      target,
      found: sum((plan) => plan.moves[index]?.found ?? 0),
      atTarget: sum((plan) => plan.moves[index]?.atTarget ?? 0),
    })),
    shapes: databases.flatMap(({ db, plan }) =>
      plan.shapes.map((shape) => ({ ...shape, from: `${ofDatabase(db)} ${shape.from}` })),
    ),
    conflicts: sum(({ conflicts }) => conflicts),
    mends: sum(({ mends }) => mends ?? 0),
    ...(settled ? { settled } : {}),
    notices: databases.flatMap(({ db, plan }) => [
      contentsOf(db, plan),
      ...plan.notices.map((notice) => inDatabase(db, notice)),
    ]),
    problems: databases.flatMap(({ db, plan }) => plan.problems.map((problem) => inDatabase(db, problem))),
    estimateMs: sum(({ estimateMs }) => estimateMs),
    undoBytes: sum(({ undoBytes }) => undoBytes ?? 0),
    basis: databases.map(({ db, plan }): Json => ({ db, of: plan.basis })),
    databases,
  };
}

function contentsOf(db: number, { moves }: RedisPlan): Finding {
  const counts = moves.map(
    ({ source, target, found, atTarget }) => `${grouped(found)} keys of ${source}, ${grouped(atTarget)} of ${target}`,
  );
  const count = moves.reduce((total, { found }) => total + found, 0);
  const message = `database ${db} holds ${counts.join('; ')}`;
  return { stage: 'redis', kind: 'database', severity: 'notice', message, where: ofDatabase(db), count };
}
