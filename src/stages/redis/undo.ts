import { fromJson, printable } from '../../model/byte-string.ts';
import type { RedisWriter, RenamePair } from '../../stores/redis/redis-store.ts';
import type { ApplyContext, Checkpoint, UndoBatch } from '../stage.ts';
import type { RedisUndoEntry } from './apply.ts';
import type { RedisPlan } from './redis-plan.ts';
import { TenantKeys } from './tenant-keys.ts';

/**
 * See the contract: what the log names goes back under its old name with the value and expiry it has now. Where the
 * application has made the old name anew meanwhile, both stay and the pair is counted as a conflict.
 */
export async function* undoRedis(plan: RedisPlan, ctx: ApplyContext<RedisWriter>): AsyncIterable<Checkpoint> {
  for await (const logged of ctx.undo.read()) {
    const entries = logged.entries as readonly unknown[] as readonly RedisUndoEntry[];
    await ctx.permit(entries.reduce((sum, entry) => sum + (entry.kind === 'rename' ? entry.keys.length : 1), 0));
    yield await undoBatch(plan, logged, ctx);
  }
}

async function undoBatch(plan: RedisPlan, logged: UndoBatch, ctx: ApplyContext<RedisWriter>): Promise<Checkpoint> {
  const counts = { moved: 0, conflicts: 0, vanished: 0, failed: 0 };
  const entries = logged.entries as readonly unknown[] as readonly RedisUndoEntry[];
  const unlinked = entries.filter((entry) => entry.kind === 'unlink');
  counts.moved += await remake(unlinked, ctx);
  for (const entry of entries) {
    if (entry.kind !== 'rename' || entry.keys.length === 0) continue;
    const pairs = backwards(plan, entry, ctx);
    counts.failed += entry.keys.length - pairs.length;
    for (const [index, outcome] of (await ctx.store.rename(pairs)).entries()) {
      if (outcome === 'moved') counts.moved += 1;
      else if (outcome === 'occupied') counts.conflicts += 1;
      else if (outcome === 'vanished') counts.vanished += 1;
      else if (outcome !== 'already') {
        counts.failed += 1;
        const record = printable(pairs[index]?.from ?? '');
        ctx.emit({ type: 'record-failed', stage: 'redis', record, reason: outcome.failed });
      }
    }
  }
  return { batch: logged.id, ...counts };
}

function backwards(
  plan: RedisPlan,
  entry: RedisUndoEntry & { kind: 'rename' },
  ctx: ApplyContext<RedisWriter>,
): readonly RenamePair[] {
  const keys = new TenantKeys(plan.templates, ctx.profile.configKeyTemplates, [entry]);
  return entry.keys.map(fromJson).flatMap((key): RenamePair[] => {
    const role = keys.roleOf(key);
    if (role?.role === 'source') return [{ from: role.target, to: key }];
    const reason = 'the templates do not claim it any more, so its name at the target is not known';
    ctx.emit({ type: 'record-failed', stage: 'redis', record: printable(key), reason });
    return [];
  });
}

/** A removed source is made again from its equal twin as that is now, or from its dump where the twin is gone. */
async function remake(
  entries: readonly (RedisUndoEntry & { kind: 'unlink' })[],
  ctx: ApplyContext<RedisWriter>,
): Promise<number> {
  const pairs = entries.map(({ key, target }) => ({ from: fromJson(target), to: fromJson(key) }));
  const copied = await ctx.store.copy(pairs);
  let made = copied.filter((done) => done).length;
  for (const [index, entry] of entries.entries()) {
    if (copied[index]) continue;
    const payload = Buffer.from(entry.payload, 'base64');
    const expired = entry.expiresAt >= 0 && entry.expiresAt <= ctx.clock.now();
    if (!expired && (await ctx.store.restore(fromJson(entry.key), { payload, expiresAt: entry.expiresAt }))) made += 1;
  }
  return made;
}
