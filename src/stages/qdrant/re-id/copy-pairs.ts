import { contentDigest, idOfPoint, partsDigest, partsOf } from '../../../model/point-text.ts';
import { rawMembers } from '../../../model/raw-json.ts';
import type { StrictLimits } from '../../../stores/qdrant/collection-facts.ts';
import type { QdrantWriter } from '../../../stores/qdrant/qdrant-reader.ts';
import type { ApplyContext, BatchId, Checkpoint } from '../../stage.ts';
import { alteredText, type CopyStanding, copyPoints } from '../copy-points.ts';
import { tenantIn, withTenant } from '../tenant-field.ts';
import type { BatchSizer } from './batch-sizer.ts';
import type { IdPair, NewIds } from './new-ids.ts';
import type { EndOf } from './pairs.ts';
import { copyEntry, type LoggedPoint } from './re-id-entry.ts';

/** Points in one batch, whatever their size. */
const MOST_IN_A_BATCH = 1_000;

/** What copying a batch of pairs did. */
export interface Copied {
  readonly checkpoints: readonly Checkpoint[];
  /** Pairs whose new id holds other content than the old one. */
  readonly disputed: readonly IdPair[];
}

export interface CopyWork extends EndOf {
  readonly newIds: NewIds;
  readonly insertOnly: boolean;
  readonly sizer: BatchSizer;
}

/** Most points that a copying batch may take: strict mode's limits, the operator's wish, and what is sensible. */
export function copyBatchSize(limits: StrictLimits, wanted: number | undefined): number {
  return Math.min(
    wanted ?? MOST_IN_A_BATCH,
    MOST_IN_A_BATCH,
    limits.upsertMaxBatch ?? Number.POSITIVE_INFINITY,
    limits.writeRateLimit ?? Number.POSITIVE_INFINITY,
  );
}

/**
 * Copies the points of the pairs to their new ids with all vectors: logged, inserted, read back and compared. The old
 * points stay. What is there already with the same content is left as it is.
 */
export async function copyPairs(
  work: CopyWork,
  pairs: readonly IdPair[],
  ctx: ApplyContext<QdrantWriter>,
): Promise<Copied> {
  const { collection, limits, insertOnly } = work;
  const points = await oldPoints(work, pairs, ctx.store);
  let batch: BatchId | undefined;
  const altered: [to: string, digest: string][] = [];
  const standings = await copyPoints(ctx.store, {
    collection,
    points: points.map(({ text }) => text),
    mostAtOnce: copyBatchSize(limits, ctx.options.batchSize),
    insertOnly,
    before: async (absent) => {
      const ids = new Set(absent.map(idOfPoint));
      batch = await ctx.undo.append([
        copyEntry(
          work,
          points.filter(({ to }) => ids.has(to)),
        ),
      ]);
    },
    onAltered: (there) => altered.push([idOfPoint(there), contentDigest(there, work.field)]),
  });
  if (altered.length > 0) ctx.emit({ type: 'note', stage: 'qdrant', text: alteredText(altered.length, collection) });
  const of = (...wanted: readonly CopyStanding[]) =>
    points.filter((_, at) => wanted.includes(standings[at] ?? 'taken'));
  const checkpoints: Checkpoint[] = [];
  if (batch !== undefined) {
    const foreign = of('overtaken').map(({ to }) => to);
    checkpoints.push({ batch: await ctx.undo.append([{ kind: 'copied', of: batch, foreign, altered }]), moved: 0 });
  }
  const moved = of('inserted').length;
  const skipped = of('equal').length;
  if (batch !== undefined || skipped > 0) checkpoints.push({ batch: batch ?? 0, moved, skipped });
  return { checkpoints, disputed: of('taken', 'overtaken').map(({ from, to }) => ({ from, to })) };
}

/** The old points as they shall stand under their new ids, without those that went or changed hands meanwhile. */
async function oldPoints(
  { collection, field, move, end, newIds, sizer }: CopyWork,
  pairs: readonly IdPair[],
  store: QdrantWriter,
): Promise<readonly LoggedPoint[]> {
  const olds = await store.retrieveTexts(
    collection,
    pairs.map(({ from }) => from),
  );
  sizer.learn(
    olds.length,
    olds.reduce((sum, text) => sum + text.length, 0),
  );
  return olds.flatMap((old) => {
    const { id, payload, vector, under } = partsOf(old);
    const members = rawMembers(payload);
    if (tenantIn(members, field) !== move[end]) return [];
    // Made of what the point holds now: its record id may have been changed since.
    const pair = newIds.pairOfMembers(id, members, move);
    if (pair === undefined) return [];
    // The digest leaves out the field in which the two points differ: the old one's is the new one's.
    const digest = partsDigest(members, vector, field);
    return [{ ...pair, text: under(pair.to, withTenant(payload, field, move.target)), digest }];
  });
}
