import { canonicalJson } from '../../model/json.ts';
import type { Move } from '../../model/move.ts';
import type { GraphWriter, TypedRelationship } from '../../stores/graph/graph-store.ts';
import type { ApplyContext, Checkpoint } from '../stage.ts';

/** What the undo log holds of relationships, before they are made again: a type and not an interface, so that it is JSON. */
export type RelationshipsEntry = {
  readonly move: { readonly source: string; readonly target: string };
  readonly relationships: readonly TypedRelationship[];
};

/** Logged after that: which new relationship stands for which old one. */
export type RetypedEntry = {
  readonly move: { readonly source: string; readonly target: string };
  readonly retyped: readonly (readonly [string, string])[];
};

/** Relationships with their properties stand in the undo log, so that fewer go at once. */
const BATCH_SIZE = 2_000;

/** Makes the relationships of the source's type again under the target's: a type cannot be changed. */
export async function* retype({ source, target }: Move, ctx: ApplyContext<GraphWriter>): AsyncGenerator<Checkpoint> {
  const move = { source, target };
  let batch: TypedRelationship[] = [];
  const size = Math.min(ctx.options.batchSize ?? BATCH_SIZE, BATCH_SIZE);
  for await (const some of ctx.store.typed(source)) {
    ctx.signal.throwIfAborted();
    for (const one of some) {
      batch.push(one);
      if (batch.length < size) continue;
      yield* send(move, batch, ctx);
      batch = [];
    }
  }
  if (batch.length > 0) yield* send(move, batch, ctx);
}

async function* send(
  move: Move,
  relationships: readonly TypedRelationship[],
  ctx: ApplyContext<GraphWriter>,
): AsyncGenerator<Checkpoint> {
  await ctx.permit(relationships.length);
  const { source, target } = move;
  const entry: RelationshipsEntry = { move: { source, target }, relationships };
  const batch = await ctx.undo.append([entry]);
  const pairs = await ctx.store.retype(move, relationships);
  const moved = pairs.size > 0 ? pairs.size : await arrived(move, relationships, ctx);
  const vanished = relationships.length - moved;
  yield vanished === 0 ? { batch, moved } : { batch, moved, vanished };
  if (pairs.size === 0) return;
  // By these a rollback finds them whatever becomes of their properties.
  const retyped: RetypedEntry = { move: { source, target }, retyped: [...pairs] };
  yield { batch: await ctx.undo.append([retyped]), moved: 0 };
}

/** How many stand under the target's type, where the reply was lost. */
async function arrived(
  { target }: Move,
  relationships: readonly TypedRelationship[],
  ctx: ApplyContext<GraphWriter>,
): Promise<number> {
  const standing = multiset(await ctx.store.typedFrom(target, startsOf(relationships)));
  return relationships.filter((one) => standing.get(contentOf(one))?.pop() !== undefined).length;
}

/**
 * Takes the entries of one batch back, with the properties that the relationships have now. `known` tells new ids by
 * old ones; what is missing there is known by its ends and properties. Resolves to how many came back.
 */
export async function undoRetype(
  { move, relationships }: RelationshipsEntry,
  known: ReadonlyMap<string, string>,
  ctx: ApplyContext<GraphWriter>,
): Promise<number> {
  const starts = startsOf(relationships);
  const there = await ctx.store.typedFrom(move.target, starts);
  const byId = new Map(there.map((one) => [one.id, one]));
  const claimed = new Set(known.values());
  const byContent = multiset(there.filter(({ id }) => !claimed.has(id)));
  const atSource = multiset(await ctx.store.typedFrom(move.source, starts));
  const back: TypedRelationship[] = [];
  for (const one of relationships) {
    const id = known.get(one.id);
    const named = id === undefined ? undefined : byId.get(id);
    if (named !== undefined && named.start === one.start && named.end === one.end) back.push(named);
    else if (id === undefined && atSource.get(contentOf(one))?.pop() === undefined) {
      // Its making was sent and its new id never logged; where it stands at the source, it was never sent, or taken back.
      const twin = byContent.get(contentOf(one))?.pop();
      if (twin !== undefined) back.push(twin);
    }
  }
  if (back.length === 0) return 0;
  await ctx.permit(back.length);
  const pairs = await ctx.store.retype({ source: move.target, target: move.source }, back);
  return pairs.size > 0 ? pairs.size : back.length;
}

const startsOf = (relationships: readonly TypedRelationship[]): readonly string[] => [
  ...new Set(relationships.map(({ start }) => start)),
];

const contentOf = ({ start, end, properties }: TypedRelationship): string => canonicalJson([start, end, properties]);

function multiset(relationships: readonly TypedRelationship[]): Map<string, TypedRelationship[]> {
  const sets = new Map<string, TypedRelationship[]>();
  for (const one of relationships) {
    const content = contentOf(one);
    const set = sets.get(content);
    if (set === undefined) sets.set(content, [one]);
    else set.push(one);
  }
  return sets;
}
