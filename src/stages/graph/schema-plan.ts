import { type DerivedName, derivedName, isDerivedName } from '../../model/derived-name.ts';
import { canonicalJson, type Json } from '../../model/json.ts';
import { type Move, moveText } from '../../model/move.ts';
import { nameAfter, plainName } from '../../model/name-after.ts';
import type { GraphReader } from '../../stores/graph/graph-store.ts';
import type { SchemaItem } from '../../stores/graph/schema-reading.ts';
import type { Finding, Problem } from '../stage.ts';

/** One index or constraint of a source label, and what shall stand for it on the target's. Plain JSON. */
export interface SchemaStep {
  readonly kind: 'index' | 'constraint';
  readonly type: string;
  readonly entity: 'node' | 'relationship';
  readonly properties: readonly string[];
  /** The source's. */
  readonly from: SchemaEnd;
  /** The target's; its `name` is absent where the server chooses one. */
  readonly to: Omit<SchemaEnd, 'drop'>;
  /** The target has had it before: it is used, and never dropped. */
  readonly exists: boolean;
  /** The source's stays, since it serves other labels too. */
  readonly shared: boolean;
}

export interface SchemaEnd {
  readonly name?: string;
  readonly signature: string;
  readonly create: string;
  readonly drop: string;
}

/** What becomes of the indexes and constraints of one move. */
export interface SchemaPlan {
  readonly steps: readonly SchemaStep[];
  readonly notices: readonly Finding[];
  readonly problems: readonly Problem[];
}

/** Equal for indexes and constraints that do the same for the same label, whatever their names. */
export function signatureOf(
  { kind, type, entity, labels, properties, options }: SchemaItem,
  { source, target }: Move = { source: '', target: '' },
): string {
  const renamed = labels.map((label) => (label === source ? target : label)).sort();
  // Rules and full-text do not depend on the order of their properties, the other indexes do.
  const order = kind === 'constraint' || type === 'FULLTEXT' ? [...properties].sort() : properties;
  return canonicalJson([kind, type, entity, renamed, order, options]);
}

/** The signature of the same for another label. */
export function signatureAfter(signature: string, { source, target }: Move): string {
  const [kind, type, entity, labels, ...rest] = JSON.parse(signature) as [Json, Json, Json, string[], ...Json[]];
  const renamed = labels.map((label) => (label === source ? target : label)).sort();
  return canonicalJson([kind, type, entity, renamed, ...rest]);
}

/** Whose schema is planned: labels, tenants, and how the application names what it makes of a label. */
export interface SchemaOf {
  readonly move: Move;
  readonly ids: Move;
  readonly names?: readonly DerivedName[] | undefined;
}

/** Reads what the source has against what the target has. */
export function planSchema(of: SchemaOf, schema: readonly SchemaItem[], store: GraphReader): SchemaPlan {
  const { move, ids } = of;
  const taken = new Map(schema.filter(({ named }) => named).map((item) => [item.name, item]));
  const steps: SchemaStep[] = [];
  const problems: Problem[] = [];
  const left: SchemaItem[] = [];
  const renamed: string[] = [];
  for (const item of schema) {
    if (!item.labels.includes(move.source) || item.labels.includes(move.target)) continue;
    const standing = standingFor(item, move, schema);
    const wanted = standing?.name ?? wantedName(item, of, taken);
    const create = store.schemaCopy(item, { ...move, name: wanted });
    if (create === undefined || item.create === undefined || item.drop === undefined) {
      left.push(item);
      continue;
    }
    const problem = standing === undefined ? problemOf(item, { move, wanted, taken, schema }) : undefined;
    if (problem !== undefined) {
      problems.push(problem);
      continue;
    }
    if (standing === undefined && wanted !== undefined) taken.set(wanted, item);
    if (standing === undefined && item.named && wanted !== undefined && nameOfTarget(item.name, of) === undefined) {
      renamed.push(`${item.name} → ${wanted}`);
    }
    const { kind, type, entity, properties, drop } = item;
    const signature = standing === undefined ? signatureOf(item, move) : signatureOf(standing);
    steps.push({
      ...{ kind, type, entity, properties },
      from: { ...(item.named ? { name: item.name } : {}), signature: signatureOf(item), create: item.create, drop },
      to: { ...(wanted === undefined ? {} : { name: wanted }), signature, create },
      exists: standing !== undefined,
      shared: isShared(item, of),
    });
  }
  return { steps, problems, notices: noticesOf({ ids, steps, left, renamed }) };
}

/**
 * The name that the target's has: as the application makes it where it has made the source's, else with the id replaced.
 * Undefined where the name does not tell the tenant.
 */
function nameOfTarget(name: string, { move, ids, names = [] }: SchemaOf): string | undefined {
  const rule = names.find((each) => isDerivedName(each, { name, tenant: move.source }));
  return rule === undefined ? nameAfter(name, ids) : derivedName(rule, move.target);
}

/** One of several labels belongs to the tenant where its name says so, and says it of none of the other labels. */
function isShared({ name, labels }: SchemaItem, of: SchemaOf): boolean {
  const others = labels.filter((label) => label !== of.move.source);
  if (others.length === 0) return false;
  const isOf = (label: string) => nameOfTarget(name, { ...of, move: same(label), ids: same(label) }) !== undefined;
  return nameOfTarget(name, of) === undefined || others.some(isOf);
}

const same = (id: string): Move => ({ source: id, target: id });

/** What the target has already that does the same: an equal one, or a rule whose own index serves for a plain one. */
function standingFor(item: SchemaItem, move: Move, schema: readonly SchemaItem[]): SchemaItem | undefined {
  const signature = signatureOf(item, move);
  const equal = schema.find((other) => signatureOf(other) === signature);
  if (equal !== undefined || item.type !== 'RANGE') return equal;
  return sameTarget(item, move, schema).find(({ kind, type }) => kind === 'constraint' && /UNIQUE|KEY/.test(type));
}

/** Items of the target on the same properties. */
function sameTarget(item: SchemaItem, move: Move, schema: readonly SchemaItem[]): readonly SchemaItem[] {
  const place = ({ entity, labels, properties }: SchemaItem, to?: Move) =>
    canonicalJson([entity, labels.map((label) => (label === to?.source ? to.target : label)).sort(), properties]);
  const wanted = place(item, move);
  return schema.filter((other) => place(other) === wanted);
}

/** Names that Neo4j has made: a hash of what is indexed. */
const AUTOMATIC = /^(?:index|constraint)_[0-9a-f]{5,8}$/;

/** Undefined where the server shall choose. A name that does not tell the tenant cannot stand twice: it gets the target's id. */
function wantedName(item: SchemaItem, of: SchemaOf, taken: ReadonlyMap<string, SchemaItem>): string | undefined {
  if (!item.named || AUTOMATIC.test(item.name)) return undefined;
  const after = nameOfTarget(item.name, of);
  if (after !== undefined) return after;
  const base = `${item.name}_${plainName(of.ids.target)}`;
  for (let i = 1; ; i += 1) {
    const name = i === 1 ? base : `${base}_${i}`;
    if (!taken.has(name)) return name;
  }
}

interface Wanted {
  readonly move: Move;
  readonly wanted: string | undefined;
  readonly taken: ReadonlyMap<string, SchemaItem>;
  readonly schema: readonly SchemaItem[];
}

function problemOf(item: SchemaItem, { move, wanted, taken, schema }: Wanted): Problem | undefined {
  const other = wanted === undefined ? undefined : taken.get(wanted);
  const what = `${item.kind} ${item.name}`;
  if (other !== undefined) {
    const message = `the ${what} of ${moveText(move)} would be named ${wanted}, and that name belongs to a ${other.kind} on :${other.labels.join(':')} that is another`;
    const fix = 'drop that one if nobody needs it, or choose another target id';
    return { stage: 'graph', code: 'schema-conflict', message, fix };
  }
  const rival = sameTarget(item, move, schema).find((each) => excludes(item, each));
  if (rival === undefined) return undefined;
  const message = `the ${what} of ${moveText(move)} cannot be made for the target: there it has the ${rival.kind} ${rival.name} (${rival.type}) on the same properties, which works otherwise`;
  const fix = `make them equal: drop ${rival.name}, or ${item.name}`;
  return { stage: 'graph', code: 'schema-conflict', message, fix };
}

/** Neo4j has one index of a type on the same properties, and none beside the rule that brings its own. */
function excludes(item: SchemaItem, other: SchemaItem): boolean {
  if (item.type === other.type && item.kind === other.kind) return true;
  const isKey = ({ kind, type }: SchemaItem) => kind === 'constraint' && /UNIQUENESS|KEY/.test(type);
  return isKey(item) && (isKey(other) || other.type === 'RANGE');
}

function noticesOf({
  ids,
  steps,
  left,
  renamed,
}: {
  readonly ids: Move;
  readonly steps: readonly SchemaStep[];
  readonly left: readonly SchemaItem[];
  readonly renamed: readonly string[];
}): readonly Finding[] {
  const where = moveText(ids);
  const made = steps.filter(({ exists }) => !exists);
  const shared = steps.filter((step) => step.shared).map(({ from }) => from.name ?? '');
  const notice = (kind: string, message: string, samples: readonly string[], fix?: string): readonly Finding[] =>
    samples.length === 0
      ? []
      : [
          {
            ...({ stage: 'graph', kind, severity: 'notice', message, where, count: samples.length, samples } as const),
            ...(fix === undefined ? {} : { fix }),
          },
        ];
  return [
    ...notice(
      'schema',
      `${made.length} indexes and constraints are made for the target before the move, and the source’s dropped after it`,
      made.map(({ from, to }) => `${from.name ?? from.create} → ${to.name ?? 'a name of the server’s'}`),
    ),
    ...notice(
      'schema-name',
      `${renamed.length} names of indexes and constraints do not hold the id: the target’s are named after both`,
      renamed,
      'tell the application the new names, where it asks for an index by its name',
    ),
    ...notice(
      'schema-shared',
      `${shared.length} indexes serve other labels too, and stay; the target gets indexes of its own beside them`,
      shared,
    ),
    ...notice(
      'indexes-not-recreated',
      `${left.length} indexes and constraints of the source cannot be re-created for the target, and stay: the server tells too little of them`,
      left.map(({ name }) => name),
      `create them for ${JSON.stringify(ids.target)}, then drop the old ones`,
    ),
  ];
}
