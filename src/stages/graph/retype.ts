import { canonicalJson } from '../../model/json.ts';
import type { Move } from '../../model/move.ts';
import type { GraphWriter, TypedRelationship } from '../../stores/graph/graph-store.ts';
import { batchSize } from '../batch-size.ts';
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
  const size = () => Math.min(batchSize(ctx, BATCH_SIZE), BATCH_SIZE);
  for await (const some of ctx.store.typed(source)) {
    ctx.signal.throwIfAborted();
    for (const one of some) {
      batch.push(one);
      if (batch.length < size()) continue;
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

/** How a batch of relationships is taken back. */
export interface Retyped {
  /** New ids by old ones, as far as they were logged. */
  readonly known: ReadonlyMap<string, string>;
  /** The target had relationships of its own type before: one that looks like ours may be such. */
  readonly mixed: boolean;
}

/**
 * Takes the relationships of one entry back, with the properties that they have now. One whose new id is not known, since
 * the run died before it was logged, is known by its ends and properties: twins stand for each other. Resolves to how
 * many came back.
 */
export async function undoRetype(
  { move, relationships }: RelationshipsEntry,
  { known, mixed }: Retyped,
  ctx: ApplyContext<GraphWriter>,
): Promise<number> {
  const starts = startsOf(relationships);
  const there = new Map((await ctx.store.typedFrom(move.target, starts)).map((one) => [one.id, one]));
  const atSource = await ctx.store.typedFrom(move.source, starts);
  const stays = new Map(atSource.map((one) => [one.id, one]));
  const alike = multiset(atSource);
  const back: TypedRelationship[] = [];
  const rest: TypedRelationship[] = [];
  for (const one of relationships) {
    const named = there.get(known.get(one.id) ?? '');
    if (named !== undefined && sameEnds(named, one)) {
      there.delete(named.id);
      back.push(named);
      // Where its old id stands at the source, it was never sent.
    } else if (!sameEnds(stays.get(one.id), one)) rest.push(one);
  }
  const twins = multiset([...there.values()]);
  for (const one of rest) {
    if (mixed && alike.get(contentOf(one))?.pop() !== undefined) continue;
    const twin = twins.get(contentOf(one))?.pop();
    if (twin !== undefined) back.push(twin);
  }
  if (back.length === 0) return 0;
  await ctx.permit(back.length);
  const pairs = await ctx.store.retype({ source: move.target, target: move.source }, back);
  return pairs.size > 0 ? pairs.size : back.length;
}

const sameEnds = (a: TypedRelationship | undefined, b: TypedRelationship): boolean =>
  a !== undefined && a.start === b.start && a.end === b.end;

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
