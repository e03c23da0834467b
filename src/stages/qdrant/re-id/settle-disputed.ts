import { contentDigest, contentOfPoint } from '../../../model/point-text.ts';
import type { QdrantWriter } from '../../../stores/qdrant/qdrant-reader.ts';
import type { ApplyContext, Checkpoint } from '../../stage.ts';
import { type LoggedDigests, loggedDigests } from './logged-digests.ts';
import type { IdPair } from './new-ids.ts';
import { asNew, type StandingPair, standingPairs } from './old-points.ts';
import type { EndOf } from './pairs.ts';
import { copyEntry, type LoggedPoint } from './re-id-entry.ts';

/** Pairs whose points differ, of one end of a move in one collection. */
export interface Disputed {
  readonly of: EndOf;
  readonly pairs: readonly IdPair[];
}

const SETTLED_AT_ONCE = 50;

/**
 * Looks at pairs whose points differ. Where the new point is as we copied it, somebody wrote the old one since: it is
 * copied again. Where the old one is as we copied it, the new one is newer and stays. What we did not copy, or what was
 * written at both ends, is a conflict and stays as it is.
 */
export async function* settleDisputed(
  all: readonly Disputed[],
  ctx: ApplyContext<QdrantWriter>,
): AsyncGenerator<Checkpoint> {
  const wanted = all.flatMap(({ of, pairs }) => pairs.map(({ to }) => ({ collection: of.collection, to })));
  const logged = await loggedDigests(ctx.undo, wanted);
  for (const { of, pairs } of all) {
    for (let at = 0; at < pairs.length; at += SETTLED_AT_ONCE) {
      const some = pairs.slice(at, at + SETTLED_AT_ONCE);
      await ctx.permit(some.length);
      yield* settle(of, await standingPairs(ctx.store, of, some), logged, ctx);
    }
  }
}

/** What became of the two points of a pair since they were copied. */
export type Dispute = 'equal' | 'old-is-newer' | 'new-is-newer' | 'conflict' | 'gone';

/** Tells by what the log says was copied. */
export function disputeOf(pair: StandingPair, { collection, field }: EndOf, logged: LoggedDigests): Dispute {
  if (pair.old === undefined) return 'gone';
  if (pair.new === undefined) return 'conflict';
  const [old, now] = [contentDigest(pair.old, field), contentDigest(pair.new, field)];
  if (old === now) return 'equal';
  const { meant, inserted } = logged(collection, pair.to);
  if (meant.has(now)) return 'old-is-newer';
  return inserted.has(old) ? 'new-is-newer' : 'conflict';
}

async function* settle(
  of: EndOf,
  pairs: readonly StandingPair[],
  logged: LoggedDigests,
  ctx: ApplyContext<QdrantWriter>,
): AsyncGenerator<Checkpoint> {
  const told = pairs.map((pair) => ({ pair, dispute: disputeOf(pair, of, logged) }));
  const again = told.flatMap(({ pair, dispute }) => {
    if (dispute !== 'old-is-newer' || pair.old === undefined) return [];
    const text = asNew(pair.old, pair, of.field, of.move);
    return [{ from: pair.from, to: pair.to, text, digest: contentDigest(text, of.field) }];
  });
  if (again.length > 0) yield* copyAgain(of, again, ctx);
  const skipped = told.filter(({ dispute }) => dispute === 'equal' || dispute === 'new-is-newer').length;
  const conflicts = told.filter(({ dispute }) => dispute === 'conflict');
  for (const { pair } of conflicts) {
    if (ctx.options.onConflict === 'skip') break;
    const record = `${of.collection} ${pair.to}`;
    ctx.emit({
      type: 'record-failed',
      stage: 'qdrant',
      record,
      reason: 'this id is taken by a point with other content',
    });
  }
  if (skipped + conflicts.length > 0) yield { batch: 0, moved: 0, skipped, conflicts: conflicts.length };
}

async function* copyAgain(
  of: EndOf,
  points: readonly LoggedPoint[],
  ctx: ApplyContext<QdrantWriter>,
): AsyncGenerator<Checkpoint> {
  const batch = await ctx.undo.append([copyEntry(of, points)]);
  await ctx.store.replacePoints(
    of.collection,
    points.map(({ text }) => text),
  );
  const now = await standingPairs(ctx.store, of, points);
  const foreign = now.flatMap((pair, at) => {
    const text = points[at]?.text;
    const same = pair.new !== undefined && text !== undefined && contentOfPoint(pair.new) === contentOfPoint(text);
    return same ? [] : [pair.to];
  });
  yield { batch: await ctx.undo.append([{ kind: 'copied', of: batch, foreign, altered: [] }]), moved: 0 };
  yield { batch, moved: points.length - foreign.length, conflicts: foreign.length };
}
