import { type ByteString, fromJson, printable } from '../../model/byte-string.ts';
import type { Json } from '../../model/json.ts';
import type { RedisWriter, RenamePair } from '../../stores/redis/redis-store.ts';
import type { ApplyContext, BatchId, Checkpoint, UndoBatch } from '../stage.ts';
import { OutOfMemory } from './out-of-memory.ts';
import type { RedisPlan } from './redis-plan.ts';
import { sameKey } from './same-key.ts';
import { type Copied, takeBack } from './take-back.ts';
import { TenantKeys } from './tenant-keys.ts';
import type {
  CopyEntry,
  OverwriteEntry,
  RedisUndoEntry,
  RemovedEntry,
  RenameEntry,
  UnlinkEntry,
  ValuesEntry,
} from './undo-entry.ts';
import { undoOverwrite } from './undo-overwrite.ts';
import { type OldToken, oldTokens, putTokensBack } from './undo-values.ts';

/** What the newer part of the log says about the older one. */
interface Known {
  /** Batches whose overwritings, or copies, were made. */
  readonly made: Set<BatchId>;
  /** Keys of a batch that were not renamed or copied. */
  readonly kept: Map<BatchId, ReadonlySet<ByteString>>;
  /** Targets whose newest overwriting is taken back, and what that had destroyed: older ones do not concern them. */
  readonly settled: Map<ByteString, OverwriteEntry['destroyed']>;
  /** Whether keys go back by copying alone: in a Dragonfly a rename may lose the key. */
  readonly byCopy: boolean;
}

type Counts = Record<'moved' | 'conflicts' | 'vanished' | 'failed', number>;

/**
 * See the contract: what the log names goes back under its old name with the value and expiry it has now. Where the
 * application has made the old name anew meanwhile, both stay and the pair is counted as a conflict.
 */
export async function* undoRedis(plan: RedisPlan, ctx: ApplyContext<RedisWriter>): AsyncIterable<Checkpoint> {
  const byCopy = (await ctx.store.server()).product === 'dragonfly';
  const known: Known = { made: new Set(), kept: new Map(), settled: new Map(), byCopy };
  for await (const logged of ctx.undo.read()) {
    const entries = logged.entries as readonly unknown[] as readonly RedisUndoEntry[];
    const units = entries.reduce((sum, entry) => sum + unitsOf(entry), 0);
    if (units > 0) await ctx.permit(units);
    yield await undoBatch(plan, { logged, known }, ctx);
  }
}

function unitsOf(entry: RedisUndoEntry): number {
  if (entry.kind === 'kept' || entry.kind === 'overwritten' || entry.kind === 'copied') return 0;
  return 'keys' in entry ? entry.keys.length : 1;
}

async function undoBatch(
  plan: RedisPlan,
  { logged, known }: { logged: UndoBatch; known: Known },
  ctx: ApplyContext<RedisWriter>,
): Promise<Checkpoint> {
  const counts: Counts = { moved: 0, conflicts: 0, vanished: 0, failed: 0 };
  const entries = logged.entries as readonly unknown[] as readonly RedisUndoEntry[];
  const unlinked = entries.filter((entry) => entry.kind === 'unlink');
  counts.moved += await remake(unlinked, ctx);
  counts.failed += await putTokensBack(unlinked.flatMap(namesOf), ctx);
  for (const entry of entries) {
    if (entry.kind === 'overwritten' || entry.kind === 'copied') known.made.add(entry.of);
    else if (entry.kind === 'kept') known.kept.set(entry.of, new Set(entry.keys.map(fromJson)));
    else if (entry.kind === 'overwrite') {
      const target = fromJson(entry.target);
      const newer = known.settled.get(target);
      if (newer !== undefined) {
        counts.conflicts += remainder(entry, newer, ctx);
        continue;
      }
      const { count, settled } = await undoOverwrite(entry, known.made.has(logged.id), ctx);
      if (settled) known.settled.set(target, entry.destroyed);
      if (count !== undefined) counts[count] += 1;
    } else if (entry.kind === 'values') {
      counts.failed += await putTokensBack(tokensOf(plan, entry, ctx), ctx);
    } else if (entry.kind === 'rename') {
      const kept = known.kept.get(logged.id) ?? new Set<ByteString>();
      const keys = entry.keys.map(fromJson).filter((key) => !kept.has(key));
      await renameBack(plan, { entry, keys, counts, known }, ctx);
    } else if (entry.kind === 'removed') await remakeRemoved(plan, entry, ctx);
    else if (entry.kind === 'copy') await copyBack(plan, { entry, id: logged.id, known, counts }, ctx);
  }
  // No other batch asks for these.
  known.kept.delete(logged.id);
  known.made.delete(logged.id);
  return { batch: logged.id, ...counts };
}

/**
 * A key that was written anew while it was moved, and overwrote its own earlier value: that value stays at the target,
 * since the source has a newer one, and what the target held at first stays in the log. 1 where it is so.
 */
function remainder(
  older: OverwriteEntry,
  newerDestroyed: OverwriteEntry['destroyed'],
  ctx: ApplyContext<RedisWriter>,
): number {
  if (!sameKey(newerDestroyed, older.moved, ctx.store)) return 0;
  const text = `${printable(fromJson(older.target))} keeps the value that was moved there first: its source was written anew during the move`;
  ctx.emit({ type: 'note', stage: 'redis', text });
  return 1;
}

/** What a renamed key's target held when it was overwritten later stands there again, and may be its owner's: it stays. */
async function renameBack(
  plan: RedisPlan,
  {
    entry,
    keys,
    counts,
    known: { settled, byCopy: all },
  }: { entry: RenameEntry; keys: readonly ByteString[]; counts: Counts; known: Known },
  ctx: ApplyContext<RedisWriter>,
): Promise<void> {
  const back = backwards(plan, { entry, keys }, ctx);
  counts.failed += keys.length - back.length;
  const open = back.filter(({ from }) => !settled.has(from));
  const pairs = open.filter((pair) => !all && ctx.store.renamable(pair));
  // A backup's log names renames, wherever it is used; and a slot on its way takes no command with two keys.
  const byCopy = open.filter((pair) => all || !ctx.store.renamable(pair));
  const memory = new OutOfMemory(plan.templates, [entry], ctx);
  // Until finalize a copied key's source stands. Where the target was empty, what equals it there is the copy.
  const mayBeCopies = plan.copies !== undefined && plan.occupied.every((count) => count === 0);
  for (const [index, outcome] of (pairs.length === 0 ? [] : await ctx.store.rename(pairs)).entries()) {
    if (outcome === 'moved') counts.moved += 1;
    else if (outcome === 'occupied' && mayBeCopies) byCopy.push(pairs[index] ?? { from: '', to: '' });
    else if (outcome === 'occupied') counts.conflicts += 1;
    else if (outcome === 'vanished') counts.vanished += 1;
    else if (outcome === 'unstable') byCopy.push(pairs[index] ?? { from: '', to: '' });
    else if (outcome !== 'already') {
      counts.failed += 1;
      memory.take(pairs[index]?.from ?? '', outcome);
    }
  }
  memory.throwIfHappened();
  await tally(
    byCopy.map(({ from, to }) => ({ pair: { from: to, to: from }, made: true })),
    counts,
    ctx,
  );
}

/** Sources that were removed get the value that their targets have now. The copies go where their own entry is undone. */
async function remakeRemoved(plan: RedisPlan, entry: RemovedEntry, ctx: ApplyContext<RedisWriter>): Promise<void> {
  const pairs = backwards(plan, { entry, keys: entry.keys.map(fromJson) }, ctx);
  await ctx.store.copy(pairs);
}

async function copyBack(
  plan: RedisPlan,
  { entry, id, known, counts }: { entry: CopyEntry; id: BatchId; known: Known; counts: Counts },
  ctx: ApplyContext<RedisWriter>,
): Promise<void> {
  const kept = known.kept.get(id) ?? new Set<ByteString>();
  const prints = new Map(entry.keys.map((json: Json, index) => [fromJson(json), index]));
  const keys = [...prints.keys()].filter((key) => !kept.has(key));
  const pairs = backwards(plan, { entry, keys }, ctx);
  counts.failed += keys.length - pairs.length;
  const copied = pairs.map(({ from, to }): Copied => {
    const index = prints.get(to) ?? 0;
    const [print, replaced] = [entry.prints[index], entry.replaces?.[index]];
    return { pair: { from: to, to: from }, made: known.made.has(id), print, replaced };
  });
  await tally(copied, counts, ctx);
}

async function tally(copied: readonly Copied[], counts: Counts, ctx: ApplyContext<RedisWriter>): Promise<void> {
  const { moved, conflicts, vanished } = await takeBack(copied, ctx);
  counts.moved += moved;
  counts.conflicts += conflicts;
  counts.vanished += vanished;
}

function backwards(
  plan: RedisPlan,
  { entry, keys }: { entry: RenameEntry | CopyEntry | RemovedEntry; keys: readonly ByteString[] },
  ctx: ApplyContext<RedisWriter>,
): readonly RenamePair[] {
  const roles = new TenantKeys(plan.templates, ctx.profile.configKeyTemplates, [entry]);
  return keys.flatMap((key): RenamePair[] => {
    const role = roles.roleOf(key);
    if (role?.role === 'source') return [{ from: role.target, to: key }];
    const reason = 'the templates do not claim it any more, so its name at the target is not known';
    ctx.emit({ type: 'record-failed', stage: 'redis', record: printable(key), reason });
    return [];
  });
}

/**
 * The keys whose values were rewritten, under both names: where the source was removed as an equal twin, what is made
 * again of the target names the target, too.
 */
function tokensOf(plan: RedisPlan, entry: ValuesEntry, ctx: ApplyContext<RedisWriter>): readonly OldToken[] {
  const { source, target } = entry;
  const back = { source: target, target: source };
  const roles = new TenantKeys(plan.templates, ctx.profile.configKeyTemplates, [back]);
  return oldTokens(entry).flatMap((item): OldToken[] => {
    const role = roles.roleOf(item.key);
    return role?.role === 'source' ? [item, { ...item, key: role.target }] : [item];
  });
}

/** A removed source is made again from its equal twin as that is now, or from its dump where the twin is gone. */
async function remake(entries: readonly UnlinkEntry[], ctx: ApplyContext<RedisWriter>): Promise<number> {
  const pairs = entries.map(({ key, target }) => ({ from: fromJson(target), to: fromJson(key) }));
  const copied = await ctx.store.copy(pairs);
  let made = copied.filter((done) => done).length;
  // The server's clock: by it keys expire.
  const now = made === entries.length ? 0 : await ctx.store.now();
  for (const [index, entry] of entries.entries()) {
    if (copied[index]) continue;
    const payload = Buffer.from(entry.payload, 'base64');
    const expired = entry.expiresAt >= 0 && entry.expiresAt <= now;
    if (!expired && (await ctx.store.restore(fromJson(entry.key), { payload, expiresAt: entry.expiresAt }))) made += 1;
  }
  return made;
}

/** What the value of a source names that is made again from its twin, which names the target. */
function namesOf({ key, named }: UnlinkEntry): readonly OldToken[] {
  return named === undefined ? [] : [{ ...named, key: fromJson(key) }];
}
