import { printable, toJson } from '../../model/byte-string.ts';
import type { Move } from '../../model/move.ts';
import type { RedisWriter, RenamePair, SeenKey } from '../../stores/redis/redis-store.ts';
import type { ApplyContext, Checkpoint } from '../stage.ts';
import { compareEnds } from './compare-ends.ts';
import { dumpGroups } from './dump-groups.ts';
import { namedIn } from './named-in.ts';
import type { RemovedEntry, ValuesEntry } from './undo-entry.ts';
import type { ValueRules } from './value-rules.ts';

interface Batch {
  readonly move: Move;
  readonly pairs: readonly RenamePair[];
}

/**
 * Removes the sources that equal their targets. Each is dumped, then compared, and removed only where its dump is still
 * the same: what is written in between stays, as a conflict. The undo log names them without their content, since the
 * target holds it, but for the token with which a value names its tenant: that one the target holds otherwise.
 */
export async function removeCopied(
  { move, pairs }: Batch,
  ctx: ApplyContext<RedisWriter>,
  rules: ValueRules,
): Promise<readonly Checkpoint[]> {
  const done: Checkpoint[] = [];
  const there = await ctx.store.exist(pairs.map(({ to }) => to));
  const both = pairs.filter((_, index) => there[index]);
  const { groups, tooLarge } = await dumpGroups(both, ({ from }) => from, ctx.store);
  for (const group of groups) {
    const { written, checkpoints } = await removeGroup({ move, pairs: group }, ctx, rules);
    done.push(...checkpoints);
    for (const pair of written) done.push(...(await removeAlone({ move, pair }, ctx, rules)));
  }
  for (const pair of tooLarge)
    report(pair, 'it equals its target, but is too large to be removed: remove it by hand', ctx);
  return tooLarge.length > 0 ? [...done, { batch: 0, moved: 0, failed: tooLarge.length }] : done;
}

async function removeGroup(
  { move, pairs }: Batch,
  ctx: ApplyContext<RedisWriter>,
  rules: ValueRules,
): Promise<{ readonly written: readonly RenamePair[]; readonly checkpoints: readonly Checkpoint[] }> {
  const dumps = await ctx.store.dumps(pairs.map(({ from }) => from));
  const ends = await compareEnds(pairs, ctx);
  const equal: RenamePair[] = [];
  const seen: SeenKey[] = [];
  for (const [index, pair] of pairs.entries()) {
    const dumped = dumps[index];
    if (ends[index]?.equal !== true || dumped === undefined) continue;
    equal.push(pair);
    seen.push({ key: pair.from, seen: dumped });
  }
  if (equal.length === 0) return { written: [], checkpoints: [] };
  const batch = await ctx.undo.append(await entriesOf({ move, pairs: equal }, ctx, rules));
  const outcomes = await ctx.store.unlinkStill(seen);
  return { written: equal.filter((_, index) => outcomes[index] === 'written'), checkpoints: [{ batch, moved: 0 }] };
}

/** Of a key whose dump was another one: it was written, or the server only holds it in another order. */
async function removeAlone(
  { move, pair }: { readonly move: Move; readonly pair: RenamePair },
  ctx: ApplyContext<RedisWriter>,
  rules: ValueRules,
): Promise<readonly Checkpoint[]> {
  let batch = 0;
  let different = false;
  const removed = await ctx.store.unlinkUnwritten([pair.from], async () => {
    const [ends] = await compareEnds([pair], ctx);
    different = ends?.equal === false;
    if (ends?.equal !== true) return [];
    batch = await ctx.undo.append(await entriesOf({ move, pairs: [pair] }, ctx, rules));
    return [pair.from];
  });
  if (removed !== 'written' && !different) return batch > 0 ? [{ batch, moved: 0 }] : [];
  if (ctx.options.onConflict !== 'skip')
    report(pair, 'it was written while it was compared with its target, and stays', ctx);
  return [{ batch, moved: 0, conflicts: 1 }];
}

/** The tokens come behind the keys: an undo makes a source of its target first, then gives it the token. */
async function entriesOf(
  { move: { source, target }, pairs }: Batch,
  ctx: ApplyContext<RedisWriter>,
  rules: ValueRules,
): Promise<readonly (RemovedEntry | ValuesEntry)[]> {
  const keys = pairs.map(({ from }) => from);
  const named = [...(await namedIn(keys, ctx.store, rules))];
  const entries = named.map(([key, { path, token }]): ValuesEntry => {
    return { kind: 'values', source, target, path, keys: [toJson(key)], tokens: [token] };
  });
  return [{ kind: 'removed', source, target, keys: keys.map(toJson) }, ...entries];
}

function report({ from }: RenamePair, reason: string, ctx: ApplyContext<RedisWriter>): void {
  ctx.emit({ type: 'record-failed', stage: 'redis', record: printable(from), reason });
}
