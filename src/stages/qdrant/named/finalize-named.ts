import { MigrateError } from '../../../model/errors.ts';
import type { QdrantWriter } from '../../../stores/qdrant/qdrant-reader.ts';
import type { ApplyContext, Checkpoint } from '../../stage.ts';
import { ifThere } from '../survey.ts';
import { changeAliases } from './change-aliases.ts';
import { blueprintOf } from './make-like.ts';
import type { NamedCollection, NamedPlan } from './named-plan.ts';

const COMPARED_AT_ONCE = 1_000;

/** Removes the old aliases, and deletes a copied collection after comparing every point once more. */
export async function* finalizeNamed(named: NamedPlan, ctx: ApplyContext<QdrantWriter>): AsyncGenerator<Checkpoint> {
  const now = new Map((await ctx.store.aliases()).map(({ alias, collection }) => [alias, collection]));
  const removed = named.aliases.filter(({ from, to, collection }) => {
    return now.get(from) === collection && now.get(to) === collection;
  });
  const changes = removed.map(({ from, collection }) => ({ alias: from, was: collection, becomes: null }));
  const checkpoint = await changeAliases(changes, ctx);
  if (checkpoint !== undefined) yield { ...checkpoint, moved: 0 };
  for (const one of named.collections) if (one.mode === 'copy') yield* drop(one, ctx);
}

async function* drop({ from, to }: NamedCollection, ctx: ApplyContext<QdrantWriter>): AsyncGenerator<Checkpoint> {
  const old = await ifThere(() => ctx.store.collection(from));
  if (old === undefined) return;
  const pageSize = Math.min(COMPARED_AT_ONCE, old.limits.maxQueryLimit ?? COMPARED_AT_ONCE);
  let compared = 0;
  for await (const points of ctx.store.scrollTexts({ collection: from, pageSize })) {
    ctx.signal.throwIfAborted();
    const standings = await ctx.store.standings(to, points);
    const differing = standings.filter((standing) => standing !== 'equal').length;
    // Where nobody wrote, apply has told that the server keeps other digits than it is given.
    if (differing > 0) throw notEqual(`${differing} points of ${from} are not in ${to} as they are now`, ctx);
    compared += points.length;
  }
  // Deleting a collection takes its aliases with it.
  const aliases = (await ctx.store.aliases()).filter(({ collection }) => collection === from);
  if (aliases.length > 0)
    throw notEqual(`${aliases.map(({ alias }) => alias).join(', ')} became an alias of ${from}`, ctx);
  await ctx.permit(0);
  const batch = await ctx.undo.append([{ kind: 'named-dropped', from, to, ...blueprintOf(old) }]);
  // The compare takes its time: what came meanwhile before the place that was being read, the count alone sees.
  const now = await ctx.store.count({ collection: from });
  if (now !== compared) throw notEqual(`${from} holds ${now} points, and ${compared} were compared`, ctx);
  await ctx.store.deleteCollection(from);
  yield { batch, moved: 0 };
}

function notEqual(what: string, { store }: ApplyContext<QdrantWriter>): MigrateError {
  return new MigrateError('conflict', `${what}: somebody still writes under the old name; nothing of it was deleted`, {
    stage: 'qdrant',
    store: store.url,
    next: 'stop the writers, then tenant-migrate resume; or tenant-migrate rollback',
  });
}
