import { type ByteString, fromJson, printable, toJson } from '../../model/byte-string.ts';
import type { Move } from '../../model/move.ts';
import type { RedisWriter, RenamePair } from '../../stores/redis/redis-store.ts';
import { limitOf } from '../adaptive-limit.ts';
import { batchSize } from '../batch-size.ts';
import { inFlight } from '../in-flight.ts';
import type { ApplyContext, Checkpoint } from '../stage.ts';
import { ApplyRoom } from './apply-room.ts';
import { compareEnds } from './compare-ends.ts';
import { copyAgain } from './copy-again.ts';
import { copyKeys } from './copy-keys.ts';
import { type Batch, OpenBatches } from './open-batches.ts';
import type { OutOfMemory } from './out-of-memory.ts';
import { overwriteTargets } from './overwrite.ts';
import { DEFAULT_BATCH, isFar, scanCount } from './plan.ts';
import { isCopied } from './redis-mode.ts';
import type { RedisPlan } from './redis-plan.ts';
import { removeCopied } from './remove-copied.ts';
import { removeSources } from './remove-sources.ts';
import { rewriteValues } from './rewrite-values.ts';
import { TenantKeys } from './tenant-keys.ts';
import type { KeptEntry, RenameEntry } from './undo-entry.ts';
import type { ValueRules } from './value-rules.ts';

/** Batches whose copied sources are removed at once; each holds the dumps of some. */
const REMOVALS_IN_FLIGHT = 3;

/** Pipelines under way at first: a slow link holds all that one page of the scan gives, a fast one needs few. */
export function batchesInFlight(roundTripMs: number): number {
  return isFar(roundTripMs) ? 12 : 4;
}

/** More than one page of the scan gives is never there to be sent. */
const MOST_IN_FLIGHT = 32;

/** Keys that are renamed at once, one batch after the other, where all that are under way can be lost. */
const MOST_AT_RISK = 200;

type Pairs = Pick<Batch, 'move' | 'pairs'>;

/** See the contract: one scan feeds pipelined renames (or copies), several under way while the scan goes on. */
export async function* applyRedis(
  plan: RedisPlan,
  ctx: ApplyContext<RedisWriter>,
  rules: ValueRules,
): AsyncIterable<Checkpoint> {
  const total = plan.moves.reduce((sum, { found }) => sum + found, 0);
  // Keys expire, and others write keys, between the count and here.
  ctx.emit({ type: 'total', stage: 'redis', total, unit: plan.unit, estimate: true });
  let done = 0;
  const start = batchesInFlight(await ctx.store.roundTripMs());
  const limit = plan.copies === 'when-short' ? 1 : limitOf(ctx.options.concurrency, { start, most: MOST_IN_FLIGHT });
  const room = new ApplyRoom(plan, ctx);
  const { memory } = room;
  const begun = until(() => memory.happened, batches(plan, ctx, rules));
  try {
    for await (const checkpoints of inFlight(begun, limit, (batch) => move(plan, batch, room, ctx))) {
      for (const checkpoint of checkpoints) {
        done += checkpoint.moved;
        ctx.emit({ type: 'progress', stage: 'redis', done, total });
        yield checkpoint;
      }
    }
  } catch (error) {
    memory.throwIfHappened(error);
    throw error;
  }
  memory.throwIfHappened();
  yield* copyAgain(room.differing, ctx, rules);
}

/** The items that come before `over` says so. */
async function* until<T>(over: () => boolean, items: AsyncIterable<T>): AsyncIterable<T> {
  for await (const item of items) {
    if (over()) return;
    yield item;
  }
}

async function* batches(plan: RedisPlan, ctx: ApplyContext<RedisWriter>, rules: ValueRules): AsyncIterable<Batch> {
  const left = (plan.left ?? []).map(fromJson);
  const keys = new TenantKeys(plan.templates, ctx.profile.configKeyTemplates, plan.moves, left);
  const most = plan.copies === 'when-short' ? MOST_AT_RISK : Number.POSITIVE_INFINITY;
  const size = () => Math.min(batchSize(ctx, DEFAULT_BATCH), most);
  const open = plan.moves.map((_, move) => new OpenBatches(move, size));
  // What the server that took over had not yet received stands under the source again.
  const text = 'another server may have taken over as the master: its keys are listed from the start';
  const onAnew = () => ctx.emit({ type: 'note', stage: 'redis', text });
  for await (const page of ctx.store.scan(scanCount(await ctx.store.roundTripMs()), onAnew)) {
    for (const key of page) {
      const role = keys.roleOf(key);
      // What is left to another tenant is no key of the run: neither its name nor its value.
      if (role === undefined || role.role === 'config' || role.role === 'left') continue;
      const rule = rules.for(role);
      if (role.role === 'target' && rule === undefined) continue;
      const full = open[role.move]?.add(role.role === 'source' ? { from: key, to: role.target } : key, rule);
      if (full === undefined) continue;
      await ctx.permit(Math.max(full.pairs.length, full.ruled.length));
      yield full;
    }
  }
  for (const rest of open.flatMap((batches) => batches.rest())) {
    await ctx.permit(Math.max(rest.pairs.length, rest.ruled.length));
    yield rest;
  }
}

async function move(
  plan: RedisPlan,
  batch: Batch,
  room: ApplyRoom,
  ctx: ApplyContext<RedisWriter>,
): Promise<readonly Checkpoint[]> {
  if (room.memory.happened) return [];
  const moved = batch.pairs.length === 0 ? [] : await moveBatch(plan, batch, room, ctx);
  return batch.ruled.length === 0 || room.memory.happened
    ? moved
    : [...moved, ...(await rewriteValues(batch.ruled, ctx))];
}

/** Each pair in its way. What a cluster cannot rename while slots are on their way is copied, too. */
async function moveBatch(
  plan: RedisPlan,
  { move, pairs }: Pairs,
  room: ApplyRoom,
  ctx: ApplyContext<RedisWriter>,
): Promise<readonly Checkpoint[]> {
  if (plan.copies === undefined) {
    const { checkpoints, unstable } = await renameBatch(plan, { move, pairs }, room.memory, ctx);
    return unstable.length === 0 ? checkpoints : [...checkpoints, reportUnstable(unstable, ctx)];
  }
  const copied: RenamePair[] = [];
  const others: RenamePair[] = [];
  const copies = await room.copies();
  for (const pair of pairs) (isCopied(pair, copies, ctx.store) ? copied : others).push(pair);
  const renamed =
    others.length === 0
      ? { checkpoints: [], unstable: [] }
      : await renameBatch(plan, { move, pairs: others }, room.memory, ctx);
  const { source = '', target = '' } = plan.moves[move] ?? {};
  const own = { source, target };
  const open = [...copied, ...renamed.unstable];
  if (open.length === 0 || room.memory.happened) return renamed.checkpoints;
  const copying = await copyKeys({ move: own, pairs: open }, room.budget, ctx);
  room.differing.push(...copying.different.map((pair) => ({ move: own, pair })));
  return [...renamed.checkpoints, ...copying.checkpoints];
}

async function renameBatch(
  plan: RedisPlan,
  { move, pairs }: Pairs,
  memory: OutOfMemory,
  ctx: ApplyContext<RedisWriter>,
): Promise<{ readonly checkpoints: readonly Checkpoint[]; readonly unstable: readonly RenamePair[] }> {
  // Where the target may hold keys of its own, those are never named in the undo log: it must not take them away.
  const taken =
    ctx.options.merge || ctx.options.continuing
      ? await ctx.store.exist(pairs.map(({ to }) => to))
      : pairs.map(() => false);
  const free = pairs.filter((_, index) => !taken[index]);
  const { occupied, unstable, kept, ...renamed } = await rename(
    plan.moves[move] ?? { source: '', target: '' },
    free,
    memory,
    ctx,
  );
  if (memory.happened) return { checkpoints: [renamed, ...kept], unstable: [] };
  const { different, skipped } = await classify([...pairs.filter((_, index) => taken[index]), ...occupied], ctx);
  if (ctx.options.onConflict === 'overwrite') {
    const checkpoints: Checkpoint[] = [{ ...renamed, skipped }, ...kept];
    for await (const checkpoint of overwriteTargets(different, ctx)) checkpoints.push(checkpoint);
    return { checkpoints, unstable };
  }
  if (ctx.options.onConflict === 'fail') for (const { from } of different) reportConflict(from, ctx);
  return { checkpoints: [{ ...renamed, skipped, conflicts: different.length }, ...kept], unstable };
}

async function rename(
  { source, target }: Move,
  free: readonly RenamePair[],
  memory: OutOfMemory,
  ctx: ApplyContext<RedisWriter>,
): Promise<
  Checkpoint & Record<'occupied' | 'unstable', readonly RenamePair[]> & { readonly kept: readonly Checkpoint[] }
> {
  const occupied: RenamePair[] = [];
  const unstable: RenamePair[] = [];
  const kept: Checkpoint[] = [];
  const counts = { moved: 0, vanished: 0, failed: 0 };
  if (free.length === 0) return { batch: 0, ...counts, occupied, unstable, kept };
  const entry: RenameEntry = { kind: 'rename', source, target, keys: free.map(({ from }) => toJson(from)) };
  const batch = await ctx.undo.append([entry]);
  // Another batch may have met it meanwhile.
  const outcomes = memory.happened ? [] : await ctx.store.rename(free);
  for (const [index, outcome] of outcomes.entries()) {
    const pair = free[index];
    if (pair === undefined) continue;
    if (outcome === 'moved') counts.moved += 1;
    else if (outcome === 'vanished') counts.vanished += 1;
    else if (outcome === 'occupied') occupied.push(pair);
    else if (outcome === 'unstable') unstable.push(pair);
    else if (outcome !== 'already') {
      counts.failed += 1;
      memory.take(pair.from, outcome);
    }
  }
  if (occupied.length + unstable.length > 0) {
    // An undo must not take away what somebody else has put there.
    const keys = [...occupied, ...unstable].map(({ from }) => toJson(from));
    const entry: KeptEntry = { kind: 'kept', of: batch, keys };
    // With a checkpoint of its own, so that the journal knows it to be done.
    kept.push({ batch: await ctx.undo.append([entry]), moved: 0 });
  }
  return { batch, ...counts, occupied, unstable, kept };
}

/** Both names exist: equal keys are one key whose source goes in finalize, different ones are a conflict. */
async function classify(
  occupied: readonly RenamePair[],
  ctx: ApplyContext<RedisWriter>,
): Promise<{ readonly skipped: number; readonly different: readonly RenamePair[] }> {
  if (occupied.length === 0) return { skipped: 0, different: [] };
  const ends = await compareEnds(occupied, ctx);
  return {
    skipped: ends.filter(({ equal }) => equal === true).length,
    different: ends.filter(({ equal }) => equal === false).map(({ pair }) => pair),
  };
}

function reportUnstable(pairs: readonly RenamePair[], ctx: ApplyContext<RedisWriter>): Checkpoint {
  const reason = 'its slot is on its way to another master: it can be renamed when that has ended, or copied';
  for (const { from } of pairs) ctx.emit({ type: 'record-failed', stage: 'redis', record: printable(from), reason });
  return { batch: 0, moved: 0, failed: pairs.length };
}

function reportConflict(from: ByteString, ctx: ApplyContext<RedisWriter>): void {
  const reason = 'the target key exists with other content';
  ctx.emit({ type: 'record-failed', stage: 'redis', record: printable(from), reason });
}

/**
 * Removes the source of each pair that is equal at both ends, after comparing once more and logging it.
 * Only a run that copies, is merged or continued can hold such pairs: elsewhere the target was empty.
 */
export async function* finalizeRedis(
  plan: RedisPlan,
  ctx: ApplyContext<RedisWriter>,
  rules: ValueRules,
): AsyncIterable<Checkpoint> {
  // What was copied beside the plan (a slot on its way, a late key) verify has seen: then the run is `continuing`.
  const mayHaveCopied = (plan.copied ?? 0) > 0 || plan.copies === 'when-short';
  if (!ctx.options.merge && !ctx.options.continuing && !mayHaveCopied) return;
  // A transaction with many keys is nothing for a cluster, and the log need not hold what the target holds.
  if (plan.copies !== undefined || ctx.store.cluster) {
    const remove = ({ move, pairs }: Batch) => {
      const { source = '', target = '' } = plan.moves[move] ?? {};
      return removeCopied({ move: { source, target }, pairs }, ctx, rules);
    };
    const limit = ctx.options.concurrency ?? REMOVALS_IN_FLIGHT;
    for await (const checkpoints of inFlight(batches(plan, ctx, rules), limit, remove)) yield* checkpoints;
  } else for await (const { pairs } of batches(plan, ctx, rules)) yield* removeSources(pairs, ctx, rules);
}
