import type { Alias, QdrantWriter } from '../../../stores/qdrant/qdrant-reader.ts';
import type { ApplyContext, Checkpoint } from '../../stage.ts';
import type { AliasChange } from '../undo-entry.ts';

/** Changes aliases in one request, logged before. Undefined where nothing is left to change. */
export async function changeAliases(
  changes: readonly AliasChange[],
  ctx: ApplyContext<QdrantWriter>,
): Promise<Checkpoint | undefined> {
  const now = await standsFor(ctx.store);
  const left = changes.filter(({ alias, was, becomes }) => {
    const collection = now.get(alias) ?? null;
    // Somebody else's choice stays.
    return collection !== becomes && collection === was;
  });
  if (left.length === 0) return undefined;
  await ctx.permit(left.length);
  const batch = await ctx.undo.append([{ kind: 'named-aliases', changes: left }]);
  await send(ctx.store, left);
  return { batch, moved: left.filter(({ was }) => was === null).length };
}

/** Takes logged changes back, where the aliases still are as they were made. */
export async function takeAliasesBack(changes: readonly AliasChange[], store: QdrantWriter): Promise<number> {
  const now = await standsFor(store);
  const there = new Set(await store.collections());
  const back = changes
    .filter(({ alias, becomes }) => (now.get(alias) ?? null) === becomes)
    .map(({ alias, was, becomes }) => ({ alias, was: becomes, becomes: was }))
    .filter(({ becomes }) => becomes === null || there.has(becomes));
  if (back.length > 0) await send(store, back);
  return back.length;
}

async function standsFor(store: QdrantWriter): Promise<ReadonlyMap<string, string>> {
  return new Map((await store.aliases()).map(({ alias, collection }) => [alias, collection]));
}

async function send(store: QdrantWriter, changes: readonly AliasChange[]): Promise<void> {
  await store.changeAliases({
    remove: changes.flatMap(({ alias, was }) => (was === null ? [] : [alias])),
    make: changes.flatMap(({ alias, becomes }): readonly Alias[] => {
      return becomes === null ? [] : [{ alias, collection: becomes }];
    }),
  });
}
