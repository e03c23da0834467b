import { idOfPoint } from '../../../model/point-text.ts';
import type { QdrantReader } from '../../../stores/qdrant/qdrant-reader.ts';
import type { PlanContext } from '../../stage.ts';
import type { IdPair, NewIds } from './new-ids.ts';
import { asNew } from './old-points.ts';
import { type EndOf, toldApart } from './pairs.ts';

/** Pairs of which the new id is taken that are compared number for number. */
const COMPARED = 500;
const COMPARED_AT_ONCE = 50;
const LOOKED_UP_AT_ONCE = 1_000;

/** Counts points whose ids derive from the source, and looks up which of their new ids are taken. */
export class FoundPairs {
  readonly taken = new Set<string>();
  readonly points = { source: 0, target: 0 };
  /** Old ids that stand in another shard as well, and new ids that are taken in another than that of the old point. */
  elsewhere = 0;
  conflicts = 0;
  #compared = 0;
  readonly #newIds: NewIds;
  readonly #ctx: PlanContext<QdrantReader>;

  constructor(newIds: NewIds, ctx: PlanContext<QdrantReader>) {
    this.#newIds = newIds;
    this.#ctx = ctx;
  }

  /** Reads all of an end. */
  async count(of: EndOf, isSharded: boolean): Promise<void> {
    const { store, signal } = this.#ctx;
    for await (const { pairs } of toldApart(store, this.#newIds, of)) {
      signal.throwIfAborted();
      await this.add(of, pairs, isSharded);
    }
  }

  async add(of: EndOf, pairs: readonly IdPair[], isSharded = false): Promise<void> {
    const { store } = this.#ctx;
    this.points[of.end] += pairs.length;
    for (let at = 0; at < pairs.length; at += LOOKED_UP_AT_ONCE) {
      const some = pairs.slice(at, at + LOOKED_UP_AT_ONCE);
      const ids = some.map(({ to }) => to);
      if (isSharded) this.elsewhere += await this.#twice(of, some);
      const present = await store.presentIds(of.collection, ids);
      for (const id of present) this.taken.add(id);
      const both = some.filter(({ to }) => present.has(to));
      await this.#compare(of, both.slice(0, COMPARED - this.#compared));
    }
  }

  /** A page shows an id that stands in two shards once, a count counts both. */
  async #twice({ collection }: EndOf, pairs: readonly IdPair[]): Promise<number> {
    const count = await this.#ctx.store.count({ collection, ids: pairs.map(({ from }) => from) });
    return Math.max(0, count - pairs.length);
  }

  async #compare(of: EndOf, pairs: readonly IdPair[]): Promise<void> {
    this.#compared += pairs.length;
    for (let at = 0; at < pairs.length; at += COMPARED_AT_ONCE) {
      const some = pairs.slice(at, at + COMPARED_AT_ONCE);
      const { store } = this.#ctx;
      const olds = await store.retrieveTexts(
        of.collection,
        some.map(({ from }) => from),
      );
      const pairOf = new Map(some.map((pair) => [pair.from, pair]));
      const wanted = olds.flatMap((old) => {
        const pair = pairOf.get(idOfPoint(old));
        return pair === undefined ? [] : [asNew(old, pair, of.field, of.move)];
      });
      const standings = await store.standings(of.collection, wanted);
      // What is taken, but not in the old point's own shard.
      this.elsewhere += standings.filter((standing) => standing === 'absent').length;
      this.conflicts += standings.filter((standing) => standing === 'different').length;
    }
  }
}
