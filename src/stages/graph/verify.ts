import { grouped } from '../../model/grouped.ts';
import { moveText } from '../../model/move.ts';
import type { GraphReader, LabelCount, RelationshipCount } from '../../stores/graph/graph-store.ts';
import type { Finding, PlanContext, VerifyPhase } from '../stage.ts';
import { type GraphExpectation, type GraphPlan, labelsText } from './graph-plan.ts';
import { verifySchema } from './schema-steps.ts';

/** Nodes named in a finding. */
const NAMED = 5;

/** Compares what stands under the target with what the plan promised, by statements that apply does not use. */
export async function verifyGraph(
  plan: GraphPlan,
  phase: VerifyPhase,
  ctx: PlanContext<GraphReader>,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const [index, expected] of plan.expected.entries()) {
    ctx.signal.throwIfAborted();
    findings.push(...(await verifyMove(expected, ctx)));
    const steps = plan.schema?.[index] ?? [];
    findings.push(...(await verifySchema({ move: expected, steps }, phase === 'finalized', ctx.store)));
  }
  return findings;
}

async function verifyMove(expected: GraphExpectation, ctx: PlanContext<GraphReader>): Promise<readonly Finding[]> {
  const { store } = ctx;
  const { source, target } = expected;
  const [left = 0, standing = 0, both = 0] = await store.counts([[source], [target], [source, target]]);
  const bare = await store.bareCounts(expected);
  const hasTypes = (expected.typed ?? 0) > 0;
  const [typesLeft = 0, types = 0] = hasTypes ? await store.typeCounts([source, target]) : [];
  ctx.emit({
    type: 'counted',
    stage: 'graph',
    source: left + bare.source + typesLeft,
    target: standing - both + bare.target + types,
  });
  const findings = [
    ...leftBehind(expected, left, 'nodes carry the source label'),
    ...leftBehind(expected, bare.source, 'nodes hold the source id in a property'),
    ...leftBehind(expected, typesLeft, 'relationships have the source’s type'),
    ...countFindings(expected, { planned: expected.nodes, present: left + standing - both, what: 'nodes' }),
    ...countFindings(expected, {
      planned: expected.bare ?? 0,
      present: bare.source + bare.target,
      what: 'nodes without a label of the tenant',
    }),
    ...countFindings(expected, {
      planned: expected.typed ?? 0,
      present: typesLeft + types,
      what: 'relationships of the tenant’s type',
    }),
    ...(await contentFindings(expected, store)),
  ];
  // What has not arrived yet would be missed once more in each of the following.
  if (left + bare.source + typesLeft > 0) return findings;
  return [
    ...findings,
    ...labelFindings(expected, await store.combinations({ label: target })),
    ...relationshipFindings(expected, await store.relationships({ label: target })),
    ...(await sumFindings(expected, ctx)),
  ];
}

function leftBehind(expected: GraphExpectation, left: number, what: string): readonly Finding[] {
  if (left === 0) return [];
  return [{ ...difference('left-behind', expected, `${left} ${what}`, left), drainable: true }];
}

function countFindings(
  expected: GraphExpectation,
  { planned, present, what }: { readonly planned: number; readonly present: number; readonly what: string },
): readonly Finding[] {
  const missing = planned - present;
  if (missing > 0) {
    const message = `${grouped(missing)} of ${grouped(planned)} ${what} are gone: deleted meanwhile, or changed by someone else`;
    return [difference('count', expected, message, missing)];
  }
  if (missing === 0) return [];
  return [notice('grew', expected, `${-missing} ${what} more than planned: written during the move`, -missing)];
}

function labelFindings(expected: GraphExpectation, present: readonly LabelCount[]): readonly Finding[] {
  const counts = new Map(present.map(({ labels, count }) => [JSON.stringify(labels), count]));
  return expected.combinations.flatMap(({ labels, count }) => {
    const standing = counts.get(JSON.stringify(labels)) ?? 0;
    if (standing >= count) return [];
    const where = labelsText(labels, expected.target);
    return [
      {
        ...difference(
          'labels',
          expected,
          `${grouped(standing)} nodes with these labels, not ${grouped(count)}`,
          count - standing,
        ),
        where,
      },
    ];
  });
}

function relationshipFindings(expected: GraphExpectation, present: readonly RelationshipCount[]): readonly Finding[] {
  const key = ({ direction, type }: RelationshipCount): string => `${direction} ${type}`;
  const counts = new Map(present.map((each) => [key(each), each.count]));
  const planned = new Map(expected.relationships.map((each) => [key(each), each.count]));
  const missing = expected.relationships.flatMap((each) => {
    const standing = counts.get(key(each)) ?? 0;
    if (standing >= each.count) return [];
    const end = each.direction === 'out' ? 'leave' : 'reach';
    const message = `${grouped(standing)} relationships ${end} the target’s nodes, not ${grouped(each.count)}`;
    return [{ ...difference('relationships', expected, message, each.count - standing), where: `:${each.type}` }];
  });
  const more = present.reduce((sum, each) => sum + Math.max(0, each.count - (planned.get(key(each)) ?? 0)), 0);
  if (more === 0) return missing;
  return [
    ...missing,
    notice('grew', expected, `${grouped(more)} relationship ends more than planned: written during the move`, more),
  ];
}

async function contentFindings(expected: GraphExpectation, store: GraphReader): Promise<readonly Finding[]> {
  if (expected.sample.length === 0) return [];
  const present = new Map(
    (
      await store.nodes(
        expected.sample.map(({ id }) => id),
        expected,
      )
    ).map((node) => [node.id, node]),
  );
  const missing = expected.sample.filter(({ id }) => !present.has(id));
  const changed = expected.sample.filter(({ id, labels, content }) => {
    const node = present.get(id);
    if (node === undefined) return false;
    // A node that still carries the source is told as left behind, not as changed.
    const moved = node.labels.includes(expected.source) ? labels : node.labels;
    return node.content !== content || JSON.stringify(moved) !== JSON.stringify(labels);
  });
  const findings: Finding[] = [];
  const size = expected.sample.length;
  if (missing.length > 0) {
    const message = `${grouped(missing.length)} of ${grouped(size)} sampled nodes are missing: deleted since the plan was made`;
    findings.push(withNodes(difference('content', expected, message, missing.length), missing));
  }
  if (changed.length > 0) {
    const message = `${grouped(changed.length)} of ${grouped(size)} sampled nodes have other labels or properties than when the plan was made`;
    findings.push(withNodes(difference('content', expected, message, changed.length), changed));
  }
  return findings;
}

async function sumFindings(expected: GraphExpectation, ctx: PlanContext<GraphReader>): Promise<readonly Finding[]> {
  if (expected.sums === undefined) return [];
  const present = new Map(
    (await ctx.store.sums(expected, ctx.signal)).map((each) => [JSON.stringify(each.labels), each]),
  );
  return expected.sums.flatMap(({ labels, count, sum }) => {
    const standing = present.get(JSON.stringify(labels));
    if (standing?.sum === sum) return [];
    const message =
      standing?.count === count
        ? `the same ${grouped(count)} nodes by number, but other nodes, labels or properties than when the plan was made`
        : `${grouped(standing?.count ?? 0)} nodes, not ${grouped(count)}: their content cannot be compared`;
    return [{ ...difference('content', expected, message, count), where: labelsText(labels, expected.target) }];
  });
}

function difference(kind: string, expected: GraphExpectation, message: string, count: number): Finding {
  return { stage: 'graph', kind, severity: 'difference', message, where: moveText(expected), count };
}

function notice(kind: string, expected: GraphExpectation, message: string, count: number): Finding {
  return { ...difference(kind, expected, message, count), severity: 'notice' };
}

function withNodes(finding: Finding, nodes: readonly { readonly id: string }[]): Finding {
  return { ...finding, samples: nodes.slice(0, NAMED).map(({ id }) => id) };
}
