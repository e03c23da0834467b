import { type ByteString, fromJson, printable, toJson } from '../../model/byte-string.ts';
import type { Move } from '../../model/move.ts';
import type { RedisWriter, RenamePair } from '../../stores/redis/redis-store.ts';
import { inFlight } from '../in-flight.ts';
import type { ApplyContext, Checkpoint } from '../stage.ts';
import { compareEnds } from './compare-ends.ts';
import { overwriteTargets } from './overwrite.ts';
import { DEFAULT_BATCH, isFar, scanCount } from './plan.ts';
import type { RedisPlan } from './redis-plan.ts';
import { removeSources } from './remove-sources.ts';
import { TenantKeys } from './tenant-keys.ts';
import type { KeptEntry, RenameEntry } from './undo-entry.ts';

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
  for await (const checkpoints of inFlight(batches(plan, ctx), limit, (batch) => move(plan, batch, ctx))) {
    for (const checkpoint of checkpoints) {
      done += checkpoint.moved;
      ctx.emit({ type: 'progress', stage: 'redis', done, total });
      yield checkpoint;
    }
  }
}

async function* batches(plan: RedisPlan, ctx: ApplyContext<RedisWriter>): AsyncIterable<Batch> {
  const left = (plan.left ?? []).map(fromJson);
  const keys = new TenantKeys(plan.templates, ctx.profile.configKeyTemplates, plan.moves, left);
  const size = ctx.options.batchSize ?? DEFAULT_BATCH;
  const open: RenamePair[][] = plan.moves.map(() => []);
  // What the server that took over had not yet received stands under the source again.
  const text = 'another server has taken over as the master: its keys are listed from the start';
  const onAnew = () => ctx.emit({ type: 'note', stage: 'redis', text });
  for await (const page of ctx.store.scan(scanCount(await ctx.store.roundTripMs()), onAnew)) {
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

async function move(
  plan: RedisPlan,
  { move, pairs }: Batch,
  ctx: ApplyContext<RedisWriter>,
): Promise<readonly Checkpoint[]> {
  // Where the target may hold keys of its own, those are never named in the undo log: it must not take them away.
  const taken =
    ctx.options.merge || ctx.options.continuing
      ? await ctx.store.exist(pairs.map(({ to }) => to))
      : pairs.map(() => false);
  const free = pairs.filter((_, index) => !taken[index]);
  const { occupied, kept, ...renamed } = await rename(plan.moves[move] ?? { source: '', target: '' }, free, ctx);
  const { different, skipped } = await classify([...pairs.filter((_, index) => taken[index]), ...occupied], ctx);
  if (ctx.options.onConflict === 'overwrite') {
    const checkpoints: Checkpoint[] = [{ ...renamed, skipped }, ...kept];
    for await (const checkpoint of overwriteTargets(different, ctx)) checkpoints.push(checkpoint);
    return checkpoints;
  }
  if (ctx.options.onConflict === 'fail') for (const { from } of different) reportConflict(from, ctx);
  return [{ ...renamed, skipped, conflicts: different.length }, ...kept];
}

async function rename(
  { source, target }: Move,
  free: readonly RenamePair[],
  ctx: ApplyContext<RedisWriter>,
): Promise<Checkpoint & { readonly occupied: readonly RenamePair[]; readonly kept: readonly Checkpoint[] }> {
  const occupied: RenamePair[] = [];
  const kept: Checkpoint[] = [];
  const counts = { moved: 0, vanished: 0, failed: 0 };
  if (free.length === 0) return { batch: 0, ...counts, occupied, kept };
  const entry: RenameEntry = { kind: 'rename', source, target, keys: free.map(({ from }) => toJson(from)) };
  const batch = await ctx.undo.append([entry]);
  for (const [index, outcome] of (await ctx.store.rename(free)).entries()) {
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
  if (occupied.length > 0) {
    // An undo must not take away what somebody else has put there.
    const entry: KeptEntry = { kind: 'kept', of: batch, keys: occupied.map(({ from }) => toJson(from)) };
    // With a checkpoint of its own, so that the journal knows it to be done.
    kept.push({ batch: await ctx.undo.append([entry]), moved: 0 });
  }
  return { batch, ...counts, occupied, kept };
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

function reportConflict(from: ByteString, ctx: ApplyContext<RedisWriter>): void {
  const reason = 'the target key exists with other content';
  ctx.emit({ type: 'record-failed', stage: 'redis', record: printable(from), reason });
}

/**
 * Removes the source of each pair that is equal at both ends, after comparing once more and logging its dump.
 * Only a merged or continued run can hold such pairs: elsewhere the target was empty.
 */
export async function* finalizeRedis(plan: RedisPlan, ctx: ApplyContext<RedisWriter>): AsyncIterable<Checkpoint> {
  if (!ctx.options.merge && !ctx.options.continuing) return;
  for await (const { pairs } of batches(plan, ctx)) yield* removeSources(pairs, ctx);
}
