import { grouped } from '../../../model/grouped.ts';
import type { PointText } from '../../../model/point-text.ts';
import { idOfPoint } from '../../../model/point-text.ts';
import type { CollectionFacts } from '../../../stores/qdrant/collection-facts.ts';
import type { QdrantWriter } from '../../../stores/qdrant/qdrant-reader.ts';
import { withinRate } from '../../batch-size.ts';
import { inFlight } from '../../in-flight.ts';
import type { ApplyContext, Checkpoint } from '../../stage.ts';
import { alteredText, copyPoints, knowsInsertOnly } from '../copy-points.ts';
import { insertBatchSize } from '../page-sizes.ts';
import { ifThere } from '../survey.ts';
import { changeAliases } from './change-aliases.ts';
import { blueprintOf, makeLike } from './make-like.ts';
import type { NamedCollection, NamedPlan } from './named-plan.ts';

/** Pages of points under way: each is read, inserted, read back and compared. */
const PAGES_AT_ONCE = 3;
const POINTS_IN_A_PAGE = 1_000;

/**
 * Gives collections and aliases their new names. A copied collection keeps its old name and points until finalize; its
 * aliases follow once all points stand in the new one.
 */
export async function* applyNamed(named: NamedPlan, ctx: ApplyContext<QdrantWriter>): AsyncGenerator<Checkpoint> {
  for (const one of named.collections) {
    if (one.mode === 'copy') yield* copyCollection(one, ctx);
    else {
      const second = await changeAliases([{ alias: one.to, was: null, becomes: one.from }], ctx);
      if (second !== undefined) yield { ...second, moved: one.points };
    }
  }
  const there = new Set(await ctx.store.collections());
  const added = named.aliases.filter(({ collection }) => there.has(collection));
  yield* told(
    await changeAliases(
      added.map(({ to, collection }) => ({ alias: to, was: null, becomes: collection })),
      ctx,
    ),
  );
}

async function* told(checkpoint: Checkpoint | undefined): AsyncGenerator<Checkpoint> {
  if (checkpoint !== undefined) yield checkpoint;
}

async function* copyCollection(one: NamedCollection, ctx: ApplyContext<QdrantWriter>): AsyncGenerator<Checkpoint> {
  const { from, to } = one;
  const old = await ifThere(() => ctx.store.collection(from));
  // Deleted by a finalize that was interrupted.
  if (old === undefined) return;
  yield await begin(one, old, ctx);
  let moved = 0;
  const insertOnly = knowsInsertOnly(await ctx.store.version());
  for await (const checkpoint of inFlight(pages(old, ctx), ctx.options.concurrency ?? PAGES_AT_ONCE, (points) => {
    return copyPage({ from, to, points, limits: old.limits, insertOnly }, ctx);
  })) {
    moved += checkpoint?.moved ?? 0;
    yield* told(checkpoint);
  }
  yield* told(await changeAliases(await following(one, ctx), ctx));
  ctx.emit({ type: 'note', stage: 'qdrant', text: `Collection: ${from} → ${to}` });
  ctx.emit({ type: 'note', stage: 'qdrant', text: `  Copied: ${grouped(moved)} points` });
}

async function begin(
  { from, to }: NamedCollection,
  old: CollectionFacts,
  ctx: ApplyContext<QdrantWriter>,
): Promise<Checkpoint> {
  await ctx.permit(0);
  const made = (await ifThere(() => ctx.store.collection(to))) === undefined;
  const batch = await ctx.undo.append([{ kind: 'named-begun', from, to, made }]);
  await makeLike(ctx.store, to, blueprintOf(old));
  return { batch, moved: 0 };
}

async function* pages(
  { name, limits }: CollectionFacts,
  ctx: ApplyContext<QdrantWriter>,
): AsyncGenerator<readonly PointText[]> {
  const pageSize = withinRate(ctx, Math.min(POINTS_IN_A_PAGE, limits.maxQueryLimit ?? POINTS_IN_A_PAGE));
  for await (const points of ctx.store.scrollTexts({ collection: name, pageSize })) {
    await ctx.permit(points.length);
    yield points;
  }
}

interface CopiedPage {
  readonly from: string;
  readonly to: string;
  readonly points: readonly PointText[];
  readonly limits: CollectionFacts['limits'];
  readonly insertOnly: boolean;
}

/** Undefined where all of the page stands there already. */
async function copyPage(
  { from, to, points, limits, insertOnly }: CopiedPage,
  ctx: ApplyContext<QdrantWriter>,
): Promise<Checkpoint | undefined> {
  let batch: number | undefined;
  let altered = 0;
  const standings = await copyPoints(ctx.store, {
    ...{ collection: to, points, insertOnly },
    mostAtOnce: insertBatchSize(limits),
    before: async (absent) => {
      batch = await ctx.undo.append([{ kind: 'named-copied', from, to, ids: absent.map(idOfPoint) }]);
    },
    onAltered: () => {
      altered += 1;
    },
  });
  if (altered > 0) ctx.emit({ type: 'note', stage: 'qdrant', text: alteredText(altered, to) });
  const count = (...wanted: readonly string[]) => standings.filter((standing) => wanted.includes(standing)).length;
  const conflicts = count('taken', 'overtaken');
  for (const [at, standing] of standings.entries()) {
    if (standing !== 'taken' && standing !== 'overtaken') continue;
    const reason = `stands in ${to} with other content`;
    ctx.emit({ type: 'record-failed', stage: 'qdrant', record: `${from} ${idOfPoint(points[at] ?? '{}')}`, reason });
  }
  if (batch === undefined && conflicts === 0) return undefined;
  batch ??= await ctx.undo.append([{ kind: 'named-copied', from, to, ids: [] }]);
  return { batch, moved: count('inserted'), ...(conflicts > 0 ? { conflicts } : {}) };
}

/** The aliases of the old collection, as they are now. */
async function following({ from, to }: NamedCollection, { store }: ApplyContext<QdrantWriter>) {
  return (await store.aliases())
    .filter(({ collection }) => collection === from)
    .map(({ alias }) => ({ alias, was: from, becomes: to }));
}
