import { grouped } from '../../../model/grouped.ts';
import { knownPath } from '../../../model/payload-path.ts';
import type { QdrantReader } from '../../../stores/qdrant/qdrant-reader.ts';
import type { Finding, PlanContext, VerifyPhase } from '../../stage.ts';
import { readPoints } from '../content.ts';
import { AS_TEXT, payloadWithout, tenantField } from '../field-forms.ts';
import type { Surveyed } from '../survey.ts';
import type { IdPair, NewIds } from './new-ids.ts';
import { type EndOf, samplePairs, toldApart } from './pairs.ts';

/** Points that stand under ids made from the source, of one move in one collection. */
export interface Standing {
  /** At the source, with a point under the new id beside them. */
  readonly copied: number;
  /** Under the target, with and without a point under the new id. */
  readonly underTarget: { readonly copied: number; readonly alone: number };
  /** Of the pairs that were compared, old ids of those that differ. */
  readonly different: readonly string[];
}

export const NONE_STANDING: Standing = { copied: 0, underTarget: { copied: 0, alone: 0 }, different: [] };

/** Pairs whose points are compared. */
const COMPARED = 50;
const LOOKED_UP_AT_ONCE = 1_000;
const NAMED = 5;

interface Look {
  readonly newIds: NewIds | undefined;
  /** Points that were moved without new ids are known to be under the target. */
  readonly repairs: boolean;
}

/** Enumerates what stands under old ids: all at the source; under the target a sample, or all where it matters. */
export async function standingOf(
  { facts, counts }: Surveyed,
  move: EndOf['move'],
  { newIds, repairs }: Look,
  ctx: PlanContext<QdrantReader>,
): Promise<Standing> {
  const ends = counts?.find((one) => one.move.source === move.source && one.move.target === move.target);
  if (newIds === undefined || ends === undefined) return NONE_STANDING;
  const of = { collection: facts.name, field: ctx.profile.qdrantField, move, limits: facts.limits };
  const found = new Found(ctx);
  if (ends.source > 0) {
    for await (const { pairs } of toldApart(ctx.store, newIds, { ...of, end: 'source' }))
      await found.add({ ...of, end: 'source' }, pairs);
  }
  const target: EndOf = { ...of, end: 'target' };
  if (ends.target > 0 && (repairs || ctx.options.verify === 'full')) {
    for await (const { pairs } of toldApart(ctx.store, newIds, target)) await found.add(target, pairs);
  } else if (ends.target > 0) {
    await found.add(target, (await samplePairs(ctx.store, newIds, target)).pairs);
  }
  return {
    copied: found.copied.source,
    underTarget: { copied: found.copied.target, alone: found.alone.target },
    different: await found.different(of),
  };
}

class Found {
  readonly copied = { source: 0, target: 0 };
  readonly alone = { source: 0, target: 0 };
  readonly #compared: IdPair[] = [];
  readonly #ctx: PlanContext<QdrantReader>;

  constructor(ctx: PlanContext<QdrantReader>) {
    this.#ctx = ctx;
  }

  async add({ collection, end }: EndOf, pairs: readonly IdPair[]): Promise<void> {
    const { store, signal, options } = this.#ctx;
    const most = options.verify === 'counts' ? 0 : COMPARED;
    for (let at = 0; at < pairs.length; at += LOOKED_UP_AT_ONCE) {
      signal.throwIfAborted();
      const some = pairs.slice(at, at + LOOKED_UP_AT_ONCE);
      const present = await store.presentIds(
        collection,
        some.map(({ to }) => to),
      );
      const copied = some.filter(({ to }) => present.has(to));
      this.copied[end] += copied.length;
      this.alone[end] += some.length - copied.length;
      this.#compared.push(...copied.slice(0, Math.max(0, most - this.#compared.length)));
    }
  }

  /** Reads both points of the pairs by id, as parsed content, and compares them. */
  async different({
    collection,
    field,
    move,
  }: Pick<EndOf, 'collection' | 'field' | 'move'>): Promise<readonly string[]> {
    const ids = this.#compared.flatMap(({ from, to }) => [from, to]);
    const points = await readPoints(this.#ctx.store, collection, { withVectors: ids, without: [] });
    const of = tenantField(knownPath(field), move, AS_TEXT);
    const content = new Map(points.map((point) => [point.id, `${payloadWithout(point.payload, of)} ${point.vectors}`]));
    return this.#compared.flatMap(({ from, to }) => {
      const [old, now] = [content.get(from), content.get(to)];
      // One that went since has nothing to be compared with.
      return old === undefined || now === undefined || old === now ? [] : [from];
    });
  }
}

/** What verify says of points under old ids. `kept`: conflicts that the operator told to leave. */
export function standingFindings(
  standing: Standing,
  phase: VerifyPhase,
  { collection, target, kept }: { readonly collection: string; readonly target: string; readonly kept: boolean },
): readonly Finding[] {
  const { copied, underTarget, different } = standing;
  const about = { stage: 'qdrant', where: collection } as const;
  const say = (text: string) => `${collection}: ${text}`;
  const findings: Finding[] = [];
  const both = copied + underTarget.copied;
  if (both > 0 && phase === 'applied') {
    const message = say(`${grouped(both)} points stand under their old ids beside the new ones until the end`);
    findings.push({ ...about, kind: 'pending-removal', severity: 'notice', message, count: both });
  } else if (both > 0 && kept) {
    const message = say(`${grouped(both)} points stay under their old ids: the new ones are taken by other content`);
    findings.push({ ...about, kind: 'conflict', severity: 'notice', message, count: both });
  }
  const old = underTarget.alone + (phase === 'finalized' && !kept ? underTarget.copied : 0);
  if (old > 0) {
    const message = say(`${grouped(old)} of the points looked at under "${target}" have ids made from the source`);
    findings.push({ ...about, kind: 'left-behind', severity: 'difference', message, count: old, drainable: true });
  }
  if (different.length > 0 && !kept) {
    const message = say(
      `${grouped(different.length)} points differ from those under their new ids: one was written since`,
    );
    const samples = different.slice(0, NAMED);
    const count = different.length;
    findings.push({ ...about, kind: 'content', severity: 'difference', message, count, samples, drainable: true });
  }
  return findings;
}
