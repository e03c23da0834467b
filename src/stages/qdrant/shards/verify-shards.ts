import { idOfPoint } from '../../../model/point-text.ts';
import type { CollectionFacts } from '../../../stores/qdrant/collection-facts.ts';
import type { QdrantReader } from '../../../stores/qdrant/qdrant-reader.ts';
import type { Finding, PlanContext, VerifyPhase } from '../../stage.ts';
import { idPageSize } from '../page-sizes.ts';
import { ifThere } from '../survey.ts';
import { notAlike } from './apply-shards.ts';
import { matchesOf, placedIn, placeText, type ShardCopy } from './shard-copy.ts';

const LOOKED_UP_AT_ONCE = 1_000;
/** Points whose content is compared, where not all are. */
const COMPARED = 200;
const NAMED = 5;

/** Whether every point of a source's shard stands in the target's, and at the end that the source's shard is gone. */
export async function verifyShards(
  copies: readonly ShardCopy[],
  phase: VerifyPhase,
  ctx: PlanContext<QdrantReader>,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const copy of copies) {
    const facts = await ifThere(() => ctx.store.collection(copy.collection));
    // The rest of verify tells of a collection that is gone.
    if (facts === undefined) continue;
    const { from, to } = copy;
    if (!facts.shardKeys.includes(to)) findings.push(difference(copy, 'missing', `there is no shard key ${text(to)}`));
    else if (!facts.shardKeys.includes(from)) continue;
    else if (phase === 'finalized')
      findings.push(difference(copy, 'left-behind', `the shard key ${text(from)} is still there`));
    else findings.push(...(await besideEachOther(copy, facts, ctx)));
  }
  return findings;
}

async function besideEachOther(
  copy: ShardCopy,
  facts: CollectionFacts,
  ctx: PlanContext<QdrantReader>,
): Promise<readonly Finding[]> {
  const { collection, from, to, move } = copy;
  const findings: Finding[] = [];
  let [missing, there] = [0, 0];
  for (const match of matchesOf(facts, ctx.profile.qdrantField, move.target)) {
    const request = {
      collection,
      shardKeys: [from],
      match,
      pageSize: Math.min(LOOKED_UP_AT_ONCE, idPageSize(facts.limits)),
    };
    for await (const ids of ctx.store.scrollIds(request)) {
      ctx.signal.throwIfAborted();
      const taken = await ctx.store.takenOf(
        collection,
        ids.map((id) => placeText(id, to)),
      );
      missing += taken.filter((one) => !one).length;
      there += ids.length;
    }
    findings.push(...(await contentFindings(copy, request, ctx)));
  }
  if (missing > 0) {
    const message = `${missing} of ${there} points of shard key ${text(from)} are not in ${text(to)}`;
    findings.push({ ...difference(copy, 'left-behind', message), count: missing, drainable: true });
  }
  return findings;
}

async function contentFindings(
  copy: ShardCopy,
  request: Parameters<QdrantReader['scrollTexts']>[0],
  ctx: PlanContext<QdrantReader>,
): Promise<readonly Finding[]> {
  const { collection, from, to } = copy;
  if (ctx.options.verify === 'counts') return [];
  const different: string[] = [];
  let compared = 0;
  for await (const points of ctx.store.scrollTexts(request)) {
    ctx.signal.throwIfAborted();
    const wanted = points.map((point) => placedIn(point, to));
    const taken = await ctx.store.takenOf(collection, wanted);
    const standing = wanted.filter((_, at) => taken[at] === true);
    different.push(...(await notAlike(ctx.store, collection, standing)).map(idOfPoint));
    compared += points.length;
    if (ctx.options.verify === 'sample' && compared >= COMPARED) break;
  }
  if (different.length === 0) return [];
  const message = `${different.length} of ${compared} compared points differ between shard keys ${text(from)} and ${text(to)}`;
  return [{ ...difference(copy, 'content', message), count: different.length, samples: different.slice(0, NAMED) }];
}

function text(key: string | number): string {
  return JSON.stringify(key);
}

function difference({ collection }: ShardCopy, kind: string, message: string): Finding {
  return { stage: 'qdrant', kind, severity: 'difference', message: `${collection}: ${message}`, where: collection };
}
