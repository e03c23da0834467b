import { grouped } from '../../model/grouped.ts';
import { type Move, moveText } from '../../model/move.ts';
import type { GraphReader } from '../../stores/graph/graph-store.ts';
import type { SchemaItem } from '../../stores/graph/schema-reading.ts';
import type { Finding, Problem } from '../stage.ts';
import type { SchemaStep } from './schema-plan.ts';

/** A rule that the moved nodes, or the target's own, would break. */
export interface Clash {
  readonly rule: string;
  readonly properties: readonly string[];
  readonly count: number;
  /** `values` are shared, or `nodes` lack a property. */
  readonly what: 'values' | 'nodes';
}

interface Rule {
  readonly name: string;
  readonly type: string;
  readonly properties: readonly string[];
}

const UNIQUE = /UNIQUE|KEY/i;
const PRESENT = /EXIST|KEY/i;

/**
 * What the target's rules, its own and those that the move makes for it, would refuse: it would abort the move half-way.
 * The source keeps its own rules already, so that only mixing with nodes of the target can break them.
 */
export async function ruleBreaks(
  {
    move,
    targetOnly,
    steps,
  }: { readonly move: Move; readonly targetOnly: number; readonly steps: readonly SchemaStep[] },
  schema: readonly SchemaItem[],
  store: GraphReader,
): Promise<readonly Clash[]> {
  const clashes: Clash[] = [];
  const count = async ({ name, type, properties }: Rule, lackingIn: string): Promise<void> => {
    const shared = UNIQUE.test(type) ? await store.clashes(move, properties) : 0;
    if (shared > 0) clashes.push({ rule: name, properties, count: shared, what: 'values' });
    const lacking = PRESENT.test(type) ? await store.lacking(lackingIn, properties) : 0;
    if (lacking > 0) clashes.push({ rule: name, properties, count: lacking, what: 'nodes' });
  };
  for (const rule of schema) {
    if (rule.kind === 'constraint' && rule.entity === 'node' && rule.labels.includes(move.target)) {
      await count(rule, move.source);
    }
  }
  if (targetOnly === 0) return clashes;
  for (const { kind, entity, type, properties, from, exists } of steps) {
    if (kind !== 'constraint' || entity !== 'node' || exists) continue;
    await count({ name: from.name ?? type, type, properties }, move.target);
  }
  return clashes;
}

export function clashProblems(move: Move, clashes: readonly Clash[]): readonly Problem[] {
  return clashes.map(({ rule, properties, count, what }) => ({
    stage: 'graph',
    code: 'constraint-conflict',
    message:
      what === 'values'
        ? `${moveText(move)}: ${grouped(count)} values break the constraint ${rule} of the target (${properties.join(', ')})`
        : `${moveText(move)}: ${grouped(count)} nodes lack what the constraint ${rule} of the target demands (${properties.join(', ')})`,
    fix:
      what === 'values'
        ? 'remove the doubles from one of the two labels, or drop the constraint'
        : 'give the nodes that property, or drop the constraint',
  }));
}

/** Rules of the target that hold for every node that is moved. */
export function clashNotices(move: Move, found: number, schema: readonly SchemaItem[]): readonly Finding[] {
  const strict = schema.filter(({ kind, labels }) => kind === 'constraint' && labels.includes(move.target));
  if (found === 0 || strict.length === 0) return [];
  const samples = strict.map(({ name }) => name).sort();
  const message = `${strict.length} constraints on the target label apply to every node that is moved`;
  return [
    {
      stage: 'graph',
      kind: 'target-constraints',
      severity: 'notice',
      message,
      where: move.target,
      count: samples.length,
      samples,
    },
  ];
}
