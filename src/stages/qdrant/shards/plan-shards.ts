import type { Move } from '../../../model/move.ts';
import type { CollectionFacts } from '../../../stores/qdrant/collection-facts.ts';
import type { QdrantReader, ShardKey } from '../../../stores/qdrant/qdrant-reader.ts';
import type { Finding, PlanContext, Problem } from '../../stage.ts';
import { couldBeNumber } from '../field-forms.ts';
import { matchesOf, type ShardCopy } from './shard-copy.ts';

/** Bytes of points a second, as text, that one server reads or writes. */
const COPY_RATE = 50_000_000;
/** Each point is read, written and read back, and both are read once more before the old shard is deleted. */
const TIMES_MOVED = 5;
const MEASURED = 16;
/** An id with what the log puts around it. */
const ID_BYTES = 43;
const BATCH_BYTES = 400;

/** What is to be done with shards that are named after a source. */
export interface PlannedShards {
  readonly copies: readonly ShardCopy[];
  readonly notices: readonly Finding[];
  readonly problems: readonly Problem[];
  readonly estimateMs: number;
  readonly undoBytes: number;
}

/** Shards named after a source, and what their names will be; undefined where the target makes no such name. */
export function namesakes(
  { name, shardKeys }: CollectionFacts,
  moves: readonly Move[],
): readonly {
  readonly move: Move;
  readonly collection: string;
  readonly from: ShardKey;
  readonly to: ShardKey | undefined;
}[] {
  return moves.flatMap((move) =>
    shardKeys
      .filter((key) => String(key) === move.source)
      .map((from) => ({ move, collection: name, from, to: likeKey(from, move.target) })),
  );
}

/** A key that is a number stays one: for the server `7` and `"7"` are two keys. */
function likeKey(from: ShardKey, target: string): ShardKey | undefined {
  if (typeof from === 'string') return target;
  const key = Number(target);
  return couldBeNumber(target) && key >= 0 && Number.isSafeInteger(key) ? key : undefined;
}

/** Counts what stands in the shards, and says what forbids copying them. The store sees all shards. */
export async function planShards(
  moves: readonly Move[],
  facts: readonly CollectionFacts[],
  ctx: PlanContext<QdrantReader>,
): Promise<PlannedShards> {
  const copies: ShardCopy[] = [];
  const notices: Finding[] = [];
  const problems: Problem[] = [];
  let [estimateMs, undoBytes] = [0, 0];
  for (const one of facts) {
    for (const { to, ...named } of namesakes(one, moves)) {
      if (to === undefined) {
        problems.push(noNumber(one, named.move));
        continue;
      }
      const { bytes, foreign, inTarget, ...counts } = await look({ facts: one, ...named, to }, ctx);
      const copy = { ...named, to, ...counts };
      copies.push(copy);
      problems.push(...copyProblems(copy, { facts: one, foreign, inTarget }, ctx));
      notices.push(notice(copy, bytes));
      estimateMs += Math.round((copy.points * bytes * TIMES_MOVED * 1_000) / COPY_RATE);
      undoBytes += copy.points * ID_BYTES + (Math.ceil(copy.points / 100) + 8) * BATCH_BYTES;
    }
  }
  return { copies, notices, problems, estimateMs, undoBytes };
}

interface Looked {
  readonly points: number;
  readonly late: number;
  /** Points that are neither the source's nor the target's. */
  readonly foreign: number;
  /** Points in the target's shard; undefined where there is no such shard. */
  readonly inTarget: number | undefined;
  /** Of one point as text, with its vectors, measured. */
  readonly bytes: number;
}

interface Place extends Pick<ShardCopy, 'move' | 'from' | 'to'> {
  readonly facts: CollectionFacts;
}

async function look({ facts, move, from, to }: Place, ctx: PlanContext<QdrantReader>): Promise<Looked> {
  const { store, profile } = ctx;
  const where = { collection: facts.name, shardKeys: [from], allReplicas: facts.replicas > 1 };
  const points = await store.count(where);
  let [own, late] = [0, 0];
  const [ofSource, ofTarget] = [move.source, move.target].map((id) => matchesOf(facts, profile.qdrantField, id)) as [
    ReturnType<typeof matchesOf>,
    ReturnType<typeof matchesOf>,
  ];
  for (const match of ofSource) own += await store.count({ ...where, match });
  for (const match of ofTarget) {
    const all = await store.count({ ...where, match });
    let both = 0;
    for (const also of ofSource) both += await store.count({ ...where, match, also });
    late += all - both;
  }
  const inTarget = facts.shardKeys.includes(to) ? await store.count({ ...where, shardKeys: [to] }) : undefined;
  return { points, late, foreign: Math.max(0, points - own - late), inTarget, bytes: await meanBytes(where, store) };
}

async function meanBytes(
  { collection, shardKeys }: { readonly collection: string; readonly shardKeys: readonly ShardKey[] },
  store: QdrantReader,
): Promise<number> {
  for await (const page of store.scrollTexts({ collection, shardKeys, pageSize: MEASURED }))
    return Math.ceil(page.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / page.length);
  return 0;
}

function copyProblems(
  { collection, from, to, move, points }: ShardCopy,
  {
    facts,
    foreign,
    inTarget,
  }: { readonly facts: CollectionFacts; readonly foreign: number; readonly inTarget: number | undefined },
  { options, profile }: PlanContext<QdrantReader>,
): readonly Problem[] {
  const problems: Problem[] = [];
  const shard = `shard key ${JSON.stringify(from)} of ${collection}`;
  if (foreign > 0) {
    const text = `${shard} holds ${foreign} points without "${move.source}" in ${profile.qdrantField}: they would go with the shard`;
    const fix = `put them into another shard, or set ${profile.qdrantField} on them if they are the tenant's; or leave this store out with --skip-qdrant`;
    problems.push(problem(text, fix));
  }
  if (!options.continuing && (inTarget ?? 0) > 0) {
    const text = `${shard} cannot become ${JSON.stringify(to)}: that shard exists and holds ${inTarget} points, and shards are not merged`;
    problems.push(
      problem(
        text,
        `empty that shard if it is not needed, give another target id, or leave this store out with --skip-qdrant`,
      ),
    );
  }
  const { maxPoints } = facts.limits;
  const most = facts.roughPoints + points - (inTarget ?? 0);
  if (maxPoints !== undefined && most > maxPoints) {
    const text = `strict mode of ${collection} allows ${maxPoints} points (max_points_count); with the copies of ${shard} there would be about ${most}`;
    problems.push({ ...problem(text, 'raise the limit for the time of the move'), code: 'strict-limit' });
  }
  return problems;
}

function noNumber({ name }: CollectionFacts, { source, target }: Move): Problem {
  const text = `collection ${name} has the number ${source} as a shard key, and "${target}" is none`;
  return problem(text, 'give a target that is a whole number, or leave this store out with --skip-qdrant');
}

function problem(message: string, fix: string): Problem {
  return { stage: 'qdrant', code: 'shard-key', message, fix };
}

function notice({ collection, from, to, points }: ShardCopy, bytes: number): Finding {
  const size = points === 0 ? '' : `, about ${Math.ceil((points * bytes) / 1_000_000).toLocaleString('en')} MB as text`;
  const message =
    `${collection}: the ${points} points of shard key ${JSON.stringify(from)} are copied to a shard key ` +
    `${JSON.stringify(to)} with their vectors${size}: the server needs room for both, until the old one is deleted at the end; ` +
    'till then a count over all shards counts them twice';
  return { stage: 'qdrant', kind: 'shard-key', severity: 'notice', message, where: collection, count: points };
}
