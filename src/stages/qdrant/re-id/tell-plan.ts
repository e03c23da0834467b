import { grouped } from '../../../model/grouped.ts';
import type { Finding, PlanContext, Problem, ShapeCount } from '../../stage.ts';
import type { CollectionEnds } from '../inspect.ts';
import type { CollectionPlan, ReIdPlan } from '../qdrant-plan.ts';
import type { Look } from './look.ts';

/** What the operator should know about the points that get new ids. */
export function reIdNotices(ends: CollectionEnds, { plan, conflicts }: Look): readonly Finding[] {
  if (plan === undefined) return [];
  const { name } = ends.facts;
  const notices = [notice(ends, 're-id', reIdText(ends, plan), plan.points + plan.repair)];
  if (plan.repair > 0) {
    const text =
      `${name}: ${grouped(plan.repair)} points under "${ends.move.target}" have ids made from "${ends.move.source}": ` +
      'they were moved without new ids, and are repaired';
    notices.push(notice(ends, 're-id-repair', text, plan.repair));
  }
  if (conflicts > 0) {
    const text = `${name}: ${grouped(conflicts)} new ids are taken by points with other content`;
    notices.push(notice(ends, 'conflict', text, conflicts));
  }
  return notices;
}

function reIdText({ facts, move }: CollectionEnds, plan: ReIdPlan): string {
  const count = plan.points + plan.repair;
  const copies = count - plan.copied;
  const there = plan.copied > 0 ? ` (${grouped(plan.copied)} stand there already)` : '';
  const bytes = copies * plan.diskBytes;
  const size = bytes < 1_000_000 ? `${Math.ceil(bytes / 1_000)} kB` : `${grouped(Math.ceil(bytes / 1_000_000))} MB`;
  return (
    `${facts.name}: ${grouped(count)} points have ids made from "${move.source}" and get those made from "${move.target}": ` +
    `copied with all vectors${there}, about ${size} more on the server's disk until the old ones are deleted at the end`
  );
}

/** What forbids giving new ids. */
export function reIdProblems(
  ends: CollectionEnds,
  { plan, conflicts, looked, ambiguous = 0 }: Look,
  { options }: PlanContext<unknown>,
): readonly Problem[] {
  const { facts, move, source } = ends;
  const problem = (code: string, message: string, fix: string): Problem => ({
    stage: 'qdrant',
    code,
    message: `${facts.name}: ${message}`,
    fix,
  });
  if (plan === undefined) return [];
  const problems: Problem[] = [];
  if (options.qdrantMode === 're-id' && source > 0 && plan.points === 0) {
    problems.push(noSchemeProblem(ends, looked));
  }
  if (ambiguous > 0) {
    const text = `${ambiguous} ids of points that would get new ones stand in more than one shard: by id alone they cannot be told apart`;
    problems.push(problem('unsupported', text, 'move these points with the ids that they have: --qdrant-mode payload'));
  }
  const added = plan.points + plan.repair - plan.copied;
  const { maxPoints, maxVectorBytes, upsertMaxBatch } = facts.limits;
  const rename = 'raise the limit for the time of the move, or move without new ids: --qdrant-mode payload';
  if (upsertMaxBatch === 0)
    problems.push(problem('strict-limit', 'strict mode allows no insert (upsert_max_batchsize: 0)', rename));
  if (maxPoints !== undefined && facts.roughPoints + added > maxPoints) {
    const text = `strict mode allows ${grouped(maxPoints)} points (max_points_count); with the copies there would be about ${grouped(facts.roughPoints + added)}`;
    problems.push(problem('strict-limit', text, rename));
  }
  const vectorBytes = 4 * dimensionsOf(facts.config) * (facts.roughPoints + added);
  if (maxVectorBytes !== undefined && vectorBytes > maxVectorBytes) {
    const text = `strict mode allows ${grouped(maxVectorBytes)} bytes of vectors (max_collection_vector_size_bytes); with the copies there would be about ${grouped(vectorBytes)}`;
    problems.push(problem('strict-limit', text, rename));
  }
  if (conflicts > 0 && options.onConflict !== 'skip' && !options.continuing) {
    const text = `${grouped(conflicts)} of the new ids made from "${move.target}" are taken by points with other content`;
    const fix = 'look at them, then remove one side, or leave them under their old ids with --on-conflict skip';
    problems.push(problem('conflict', text, fix));
  }
  return problems;
}

/** For `--qdrant-mode re-id` where no id derives from the source. */
export function noSchemeProblem({ facts, move }: CollectionEnds, looked: number): Problem {
  return {
    stage: 'qdrant',
    code: 'no-id-scheme',
    message: `${facts.name}: none of ${looked} ids that were looked at derives from "${move.source}" by a scheme that the profile knows`,
    fix: 'give the scheme with --point-id, or move such points with the ids that they have: --qdrant-mode auto',
  };
}

/** The lines of a plan for one collection: points that keep their ids, points that get new ones, repairs. */
export function shapesOf({ move, collection, source, reId }: CollectionPlan, field: string): readonly ShapeCount[] {
  const { points = 0, repair = 0 } = reId ?? {};
  const shape = (from: string, to: string, count: number): readonly ShapeCount[] =>
    count === 0 ? [] : [{ from, to, count }];
  const { source: a, target: b } = move;
  return [
    ...shape(`${collection}  ${field}=${a}`, `${field}=${b}`, source - points),
    ...shape(`${collection}  ${field}=${a}, id made from ${a}`, `${field}=${b}, id made from ${b}`, points),
    ...shape(`${collection}  ${field}=${b}, id made from ${a}`, `${field}=${b}, id made from ${b}`, repair),
  ];
}

/** Numbers in all dense vectors of a point. */
function dimensionsOf(config: unknown): number {
  const { vectors } = (config as { params?: { vectors?: Readonly<Record<string, unknown>> } } | null)?.params ?? {};
  if (typeof vectors?.size === 'number') return vectors.size;
  return Object.values(vectors ?? {}).reduce<number>((sum, one) => sum + ((one as { size?: number }).size ?? 0), 0);
}

function notice({ facts }: CollectionEnds, kind: string, message: string, count: number): Finding {
  return { stage: 'qdrant', kind, severity: 'notice', message, where: facts.name, count };
}
