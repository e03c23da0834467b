import { grouped } from '../../model/grouped.ts';
import { type Move, moveText } from '../../model/move.ts';
import type { GraphReader } from '../../stores/graph/graph-store.ts';
import type { SchemaItem } from '../../stores/graph/schema-reading.ts';
import type { GraphMove } from '../../stores/graph/statements.ts';
import type { Finding, Problem } from '../stage.ts';
import type { SchemaStep } from './schema-plan.ts';

/** A rule that the moved nodes, or the target's own, would break. */
export interface Clash {
  readonly rule: string;
  readonly properties: readonly string[];
  readonly count: number;
  /** `values` are shared, or `nodes` lack a property. */
  readonly what: 'values' | 'nodes';
  /** The label of the rule, where that is not the target's: a property that is written takes part in it. */
  readonly label?: string;
  /** What one of the values is like, such as `text of 11 characters`; never the value. */
  readonly shape?: string | undefined;
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
  }: { readonly move: GraphMove; readonly targetOnly: number; readonly steps: readonly SchemaStep[] },
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
  clashes.push(...(await writtenBreaks(move, schema, store)));
  if (targetOnly === 0) return clashes;
  for (const { kind, entity, type, properties, from, exists } of steps) {
    if (kind !== 'constraint' || entity !== 'node' || exists) continue;
    await count({ name: from.name ?? type, type, properties }, move.target);
  }
  return clashes;
}

/** Rules of any other label in which a property takes part that the move writes. */
async function writtenBreaks(
  { target, source, values }: GraphMove,
  schema: readonly SchemaItem[],
  store: GraphReader,
): Promise<readonly Clash[]> {
  if (values === undefined) return [];
  const clashes: Clash[] = [];
  for (const { kind, entity, type, name, labels, properties } of schema) {
    const [label] = labels;
    const isRule = kind === 'constraint' && entity === 'node' && UNIQUE.test(type);
    if (!isRule || label === undefined || label === target || label === source) continue;
    if (!properties.some((property) => values.names.includes(property))) continue;
    const { count, value } = await store.valueClashes(label, properties, values);
    if (count > 0) clashes.push({ rule: name, properties, count, what: 'values', label, shape: shapeOf(value) });
  }
  return clashes;
}

function shapeOf(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined;
  if (typeof value === 'string') return `text of ${[...value].length} characters`;
  return typeof value === 'bigint' || typeof value === 'number' ? 'number' : typeof value;
}

export function clashProblems(move: Move, clashes: readonly Clash[]): readonly Problem[] {
  return clashes.map(({ rule, properties, count, what, label, shape }) => {
    const on = properties.join(', ');
    const where = label === undefined ? 'of the target' : `on :${label}`;
    const like = shape === undefined ? '' : `, such as a ${shape}`;
    return {
      stage: 'graph',
      code: 'constraint-conflict',
      message:
        what === 'values'
          ? `${moveText(move)}: ${grouped(count)} values break the constraint ${rule} ${where} (${on})${like}`
          : `${moveText(move)}: ${grouped(count)} nodes lack what the constraint ${rule} ${where} demands (${on})`,
      fix:
        what === 'values'
          ? 'remove the doubles, or drop the constraint'
          : 'give the nodes that property, or drop the constraint',
    };
  });
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
