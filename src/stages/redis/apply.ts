import { printable, toJson } from '../../model/byte-string.ts';
import type { Json } from '../../model/json.ts';
import type { RedisWriter, RenamePair } from '../../stores/redis/redis-store.ts';
import { inFlight } from '../in-flight.ts';
import type { ApplyContext, Checkpoint } from '../stage.ts';
import { compareEnds } from './compare-ends.ts';
import { isFar, scanCount } from './plan.ts';
import type { RedisPlan } from './redis-plan.ts';
import { removeSources } from './remove-sources.ts';
import { TenantKeys } from './tenant-keys.ts';

/** What one batch did, as the undo log holds it before it is sent. */
export type RedisUndoEntry =
  | { readonly kind: 'rename'; readonly source: string; readonly target: string; readonly keys: readonly Json[] }
  | {
      readonly kind: 'unlink';
      readonly key: Json;
      readonly target: Json;
      readonly payload: string;
      readonly expiresAt: number;
    };

/** Keys in one pipeline. */
export const DEFAULT_BATCH = 1_000;

/** Pipelines under way at once: a slow link holds all that one page of the scan gives, a fast one needs few. */
export function batchesInFlight(roundTripMs: number): number {
  return isFar(roundTripMs) ? 12 : 4;
}

interface Batch {
  readonly move: number;
  readonly pairs: readonly RenamePair[];
}

/** See the contract: one scan feeds pipelined renames, several under way while the scan goes on. */
export async function* applyRedis(plan: RedisPlan, ctx: ApplyContext<RedisWriter>): AsyncIterable<Checkpoint> {
  const total = plan.moves.reduce((sum, { found }) => sum + found, 0);
  ctx.emit({ type: 'total', stage: 'redis', total, unit: plan.unit });
  let done = 0;
  const limit = batchesInFlight(await ctx.store.roundTripMs());
  for await (const checkpoint of inFlight(batches(plan, ctx), limit, (batch) => rename(plan, batch, ctx))) {
    done += checkpoint.moved;
    ctx.emit({ type: 'progress', stage: 'redis', done, total });
    yield checkpoint;
  }
}

async function* batches(plan: RedisPlan, ctx: ApplyContext<RedisWriter>): AsyncIterable<Batch> {
  const keys = new TenantKeys(plan.templates, ctx.profile.configKeyTemplates, plan.moves);
  const size = ctx.options.batchSize ?? DEFAULT_BATCH;
  const open: RenamePair[][] = plan.moves.map(() => []);
  for await (const page of ctx.store.scan(scanCount(await ctx.store.roundTripMs()))) {
    for (const key of page) {
      const role = keys.roleOf(key);
      if (role?.role !== 'source') continue;
      const pairs = open[role.move] ?? [];
      pairs.push({ from: key, to: role.target });
      if (pairs.length < size) continue;
      open[role.move] = [];
      await ctx.permit(pairs.length);
      yield { move: role.move, pairs };
    }
  }
  for (const [move, pairs] of open.entries()) {
    if (pairs.length === 0) continue;
    await ctx.permit(pairs.length);
    yield { move, pairs };
  }
}

async function rename(plan: RedisPlan, { move, pairs }: Batch, ctx: ApplyContext<RedisWriter>): Promise<Checkpoint> {
  const { source, target } = plan.moves[move] ?? { source: '', target: '' };
  // Where the target may hold keys of its own, those are never named in the undo log: it must not take them away.
  const taken =
    ctx.options.merge || ctx.options.continuing
      ? await ctx.store.exist(pairs.map(({ to }) => to))
      : pairs.map(() => false);
  const free = pairs.filter((_, index) => !taken[index]);
  const occupied = pairs.filter((_, index) => taken[index]);
  const entry: RedisUndoEntry = { kind: 'rename', source, target, keys: free.map(({ from }) => toJson(from)) };
  const batch = free.length === 0 ? 0 : await ctx.undo.append([entry]);
  const counts = { moved: 0, vanished: 0, failed: 0 };
  for (const [index, outcome] of (free.length > 0 ? await ctx.store.rename(free) : []).entries()) {
    const pair = free[index];
    if (pair === undefined) continue;
    if (outcome === 'moved') counts.moved += 1;
    else if (outcome === 'vanished') counts.vanished += 1;
    else if (outcome === 'occupied') occupied.push(pair);
    else if (outcome !== 'already') {
      counts.failed += 1;
      ctx.emit({ type: 'record-failed', stage: 'redis', record: printable(pair.from), reason: outcome.failed });
    }
  }
  return { batch, ...counts, ...(await classify(occupied, ctx)) };
}

/** Both names exist: equal keys are one key whose source goes in finalize, different ones are a conflict. */
async function classify(
  occupied: readonly RenamePair[],
  ctx: ApplyContext<RedisWriter>,
): Promise<{ skipped: number; conflicts: number }> {
  const counts = { skipped: 0, conflicts: 0 };
  if (occupied.length === 0) return counts;
  for (const { pair, equal } of await compareEnds(occupied, ctx)) {
    if (equal === 'gone') continue;
    if (equal) counts.skipped += 1;
    else {
      counts.conflicts += 1;
      if (ctx.options.onConflict === 'fail') {
        ctx.emit({
          type: 'record-failed',
          stage: 'redis',
          record: printable(pair.from),
          reason: 'the target key exists with other content',
        });
      }
    }
  }
  return counts;
}

/**
 * Removes the source of each pair that is equal at both ends, after comparing once more and logging its dump.
 * Only a merged or continued run can hold such pairs: elsewhere the target was empty.
 */
export async function* finalizeRedis(plan: RedisPlan, ctx: ApplyContext<RedisWriter>): AsyncIterable<Checkpoint> {
  if (!ctx.options.merge && !ctx.options.continuing) return;
  for await (const { pairs } of batches(plan, ctx)) yield* removeSources(pairs, ctx);
}
