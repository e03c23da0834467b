import {
  contentDigest,
  contentOfPoint,
  idOfPoint,
  type PointText,
  payloadOf,
  pointUnder,
  shardKeyOf,
} from '../../../model/point-text.ts';
import type { QdrantWriter } from '../../../stores/qdrant/qdrant-reader.ts';
import type { ApplyContext, BatchId } from '../../stage.ts';
import { bodies, copyPoints, isNear, knowsInsertOnly } from '../copy-points.ts';
import { tenantOf, withTenant } from '../tenant-field.ts';
import { asOld, type StandingPair, standingPairs } from './old-points.ts';
import type { CopiedEntry, CopyEntry, RemoveEntry } from './re-id-entry.ts';

/** What taking back one entry did, in points. */
export interface TakenBack {
  readonly moved: number;
  readonly vanished: number;
  readonly failed: number;
}

const NOTHING: TakenBack = { moved: 0, vanished: 0, failed: 0 };
/** Pairs that are read together. */
const AT_ONCE = 64;

/**
 * Takes back what was copied and removed, entry by entry, the newest first. A new point goes only once the old one is
 * there: as it was, rebuilt from the new one, or with a newer value of its own. No vector is lost at any moment.
 */
export class ReIdUndo {
  readonly #ctx: ApplyContext<QdrantWriter>;
  /** Batches that are known to be done, with what was found when they were. */
  readonly #copied = new Map<BatchId, CopiedEntry>();
  #insertOnly: boolean | undefined;

  constructor(ctx: ApplyContext<QdrantWriter>) {
    this.#ctx = ctx;
  }

  /** Remembers that a batch, which is read later, was done. */
  confirm(entry: CopiedEntry): void {
    this.#copied.set(entry.of, entry);
  }

  /** Rebuilds the old points that were deleted from the new ones, with the content that those have now. */
  async rebuild(entry: RemoveEntry): Promise<TakenBack> {
    let vanished = 0;
    for (const pairs of chunks(entry.points.map(([from, to]) => ({ from, to })))) {
      await this.#ctx.permit(pairs.length);
      const standing = await standingPairs(this.#ctx.store, entry, pairs);
      vanished += standing.filter((pair) => pair.old === undefined && pair.new === undefined).length;
      await this.#restore(entry, standing);
    }
    return { ...NOTHING, vanished };
  }

  /** Deletes the new points that are ours, once the old ones are there. */
  async takeBack(entry: CopyEntry, batch: BatchId): Promise<TakenBack> {
    const copied = this.#copied.get(batch);
    this.#copied.delete(batch);
    let [moved, failed] = [0, 0];
    const foreign = new Set(copied?.foreign);
    const altered = new Map(copied?.altered);
    const own = entry.points.filter(([, to]) => !foreign.has(to));
    for (const points of chunks(own)) {
      await this.#ctx.permit(points.length);
      const pairs = points.map(([from, to]) => ({ from, to }));
      await this.#restore(entry, await standingPairs(this.#ctx.store, entry, pairs));
      const standing = await standingPairs(this.#ctx.store, entry, pairs);
      const verdicts = standing.map((pair, at) => {
        const meant = points[at]?.[2] ?? '';
        const logged = { old: meant, new: altered.get(pair.to) ?? meant };
        return verdictOn(pair, logged, { field: entry.field, confirmed: copied !== undefined });
      });
      const broughtBack = await this.#bringBack(
        entry,
        standing.filter((_, at) => verdicts[at] === 'new-is-newer'),
      );
      failed += this.#tell(
        entry,
        standing.filter((_, at) => verdicts[at] === 'both-written'),
      );
      const over = [...standing.filter((_, at) => verdicts[at] === 'over'), ...broughtBack];
      if (over.length > 0) await this.#ctx.store.deletePoints(entry.collection, over.map(placeOfNew));
      moved += over.length;
    }
    return { moved, vanished: 0, failed };
  }

  /** Inserts the old points that are not there, made from the new ones. */
  async #restore(
    { collection, field, move, end }: CopyEntry | RemoveEntry,
    pairs: readonly StandingPair[],
  ): Promise<void> {
    const points = pairs.flatMap((pair) =>
      pair.old === undefined && pair.new !== undefined ? [asOld(pair.new, pair, field, move[end])] : [],
    );
    if (points.length === 0) return;
    this.#insertOnly ??= knowsInsertOnly(await this.#ctx.store.version());
    const mostAtOnce = (await this.#ctx.store.collection(collection)).limits.upsertMaxBatch;
    // The log names these points already.
    const before = () => Promise.resolve();
    await copyPoints(this.#ctx.store, { collection, points, mostAtOnce, insertOnly: this.#insertOnly, before });
  }

  /** Puts the newer content of new points under the old ids, and returns the pairs that are equal then. */
  async #bringBack(entry: CopyEntry, pairs: readonly StandingPair[]): Promise<readonly StandingPair[]> {
    if (pairs.length === 0) return [];
    const { collection, field, move, end } = entry;
    const points = pairs.map((pair) => asOld(pair.new ?? '{}', pair, field, move[end]));
    for (const body of bodies(points)) await this.#ctx.store.replacePoints(collection, body);
    const now = await standingPairs(this.#ctx.store, entry, pairs);
    return now.filter((pair) => verdictOn(pair, { old: '', new: '' }, { field, confirmed: false }) === 'over');
  }

  #tell({ collection }: CopyEntry, pairs: readonly StandingPair[]): number {
    for (const { from, to } of pairs) {
      const reason = `both it and ${to} were written since the move: both stay; delete one, then roll back again`;
      this.#ctx.emit({ type: 'record-failed', stage: 'qdrant', record: `${collection} ${from}`, reason });
    }
    return pairs.length;
  }
}

/** What is to be done with the new point of a pair. */
type Verdict = 'over' | 'new-is-newer' | 'both-written' | 'not-ours';

/** `logged`: digests of the two as they were copied; `confirmed`: the insert is known to have been ours. */
function verdictOn(
  pair: StandingPair,
  logged: { readonly old: string; readonly new: string },
  { field, confirmed }: { readonly field: string; readonly confirmed: boolean },
): Verdict {
  if (pair.old === undefined || pair.new === undefined) return 'not-ours';
  if (contentOf(pair.old, field) === contentOf(pair.new, field)) return 'over';
  if (contentDigest(pair.new, field) === logged.new) return 'over';
  // The run may have died before it could log that the server keeps other last digits; nothing that was written is so near.
  if (!confirmed) return isNear(pair.new, withFieldOf(pair.new, pair.old, field)) ? 'over' : 'not-ours';
  return contentDigest(pair.old, field) === logged.old ? 'new-is-newer' : 'both-written';
}

/** The old point with the new one's tenant, so that nothing but the vectors can differ. */
function withFieldOf(now: PointText, old: PointText, field: string): PointText {
  return pointUnder(old, idOfPoint(now), withTenant(payloadOf(old), field, tenantOf(payloadOf(now), field) ?? ''));
}

function contentOf(text: PointText, field: string): string {
  return contentOfPoint(text, field);
}

function placeOfNew(pair: StandingPair): { readonly id: string; readonly shardKey: string | undefined } {
  return { id: pair.to, shardKey: shardKeyOf(pair.new ?? '{}') };
}

function* chunks<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += AT_ONCE) yield items.slice(at, at + AT_ONCE);
}
