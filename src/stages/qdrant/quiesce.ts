import pMap from 'p-map';
import type { Move } from '../../model/move.ts';
import { nameOf, parseNameTemplate } from '../../model/name-template.ts';
import type { QdrantWriter } from '../../stores/qdrant/qdrant-reader.ts';
import type { PlanContext } from '../stage.ts';
import { COLLECTIONS_AT_ONCE, ifThere, type Surveyed, survey } from './survey.ts';

/**
 * Returns once the server has applied every update that it took for a collection with points of one of the moves: a
 * broken process may have left some in its queue. A server that does not tell how many wait is given the settle time.
 */
export async function quiesce(moves: readonly Move[], ctx: PlanContext<QdrantWriter>): Promise<void> {
  const templates = ctx.profile.collectionTemplates.map(parseNameTemplate);
  const named = new Set(
    templates.flatMap((one) => moves.flatMap(({ source, target }) => [nameOf(one, source), nameOf(one, target)])),
  );
  const names = (await survey(moves, ctx))
    .filter((one) => isConcerned(one) || named.has(one.facts.name))
    .map(({ facts }) => facts.name);
  const told = await pMap(
    names,
    async (name) => {
      ctx.signal.throwIfAborted();
      return { name, known: (await ifThere(() => ctx.store.settled(name))) ?? true };
    },
    { concurrency: COLLECTIONS_AT_ONCE },
  );
  const silent = told.filter(({ known }) => !known).map(({ name }) => name);
  if (silent.length === 0) return;
  const { settleMs } = ctx.options;
  const text =
    `Qdrant at ${ctx.store.url} does not tell whether updates of ${silent.join(', ')} still wait: ` +
    `going on after ${settleMs / 1_000} s (--settle)`;
  ctx.emit({ type: 'note', stage: 'qdrant', text });
  await ctx.store.wait(settleMs);
}

/** An update of ours finds points of the source or, in an undo, of the target; one that finds none changes nothing. */
function isConcerned({ counts }: Surveyed): boolean {
  return counts === undefined || counts.some(({ source, target }) => source > 0 || target > 0);
}
