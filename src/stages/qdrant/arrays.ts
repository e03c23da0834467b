import { grouped } from '../../model/grouped.ts';
import type { CollectionFacts } from '../../stores/qdrant/collection-facts.ts';
import type { FieldMatch, QdrantReader } from '../../stores/qdrant/qdrant-reader.ts';
import type { PlanContext, Problem } from '../stage.ts';
import { elementTokens } from './field-forms.ts';
import { idPageSize } from './page-sizes.ts';

const NAMED = 5;
/** Conditions of a guarded write beside one for each element: the ids, and how many elements there are. */
const OTHER_CONDITIONS = 2;

/** Points of a source that hold it in an array. */
export interface Arrays {
  readonly count: number;
  /** Those among them that hold the target too. */
  readonly both: number;
}

/** Points that hold the array with these elements, as JSON tokens. */
export interface ArrayGroup {
  readonly elements: readonly string[];
  readonly ids: readonly string[];
}

/** One page of a tenant's points: those where the field is the id alone, and those where it is an array. */
export interface SplitPage {
  readonly single: readonly string[];
  readonly groups: readonly ArrayGroup[];
  /** Arrays that no filter can name. */
  readonly others: readonly string[];
}

export interface ArrayRequest {
  readonly facts: CollectionFacts;
  readonly match: FieldMatch;
  readonly ids?: readonly string[];
  /** Only points with an array, where the server lets itself be asked for them. */
  readonly onlyArrays?: boolean;
}

/** Where every filter needs an index, nobody can ask for a place in an array. */
export function mayAskForArrays({ limits }: Pick<CollectionFacts, 'limits'>): boolean {
  return !limits.readNeedsIndex && !limits.writeNeedsIndex;
}

/** Reads the field of the points that match, page by page, and sorts them by what it holds. */
export async function* splitPages(
  { facts, match, ids, onlyArrays }: ArrayRequest,
  ctx: PlanContext<QdrantReader>,
): AsyncGenerator<SplitPage> {
  const request = {
    collection: facts.name,
    match,
    ids,
    field: match.field,
    inArrays: onlyArrays === true && mayAskForArrays(facts),
    pageSize: idPageSize(facts.limits),
    exact: true,
  };
  for await (const page of ctx.store.scrollField(request)) {
    ctx.signal.throwIfAborted();
    const single: string[] = [];
    const others: string[] = [];
    const groups = new Map<string, OpenGroup>();
    for (const { id, value } of page) {
      if (!Array.isArray(value)) single.push(id);
      else {
        const elements = elementTokens(value);
        if (elements === undefined) others.push(id);
        else groupOf(groups, elements).ids.push(id);
      }
    }
    yield { single, groups: [...groups.values()], others };
  }
}

interface OpenGroup extends ArrayGroup {
  readonly ids: string[];
}

function groupOf(groups: Map<string, OpenGroup>, elements: readonly string[]): OpenGroup {
  const name = elements.join(',');
  const group = groups.get(name) ?? { elements, ids: [] };
  groups.set(name, group);
  return group;
}

export interface ArrayLook {
  readonly arrays: Arrays;
  /** Bytes of their elements, as an undo log holds them. */
  readonly bytes: number;
  readonly problems: readonly Problem[];
}

/** Reads all arrays that hold a source: how many, and what keeps one from being changed safely. */
export async function lookAtArrays(
  request: ArrayRequest,
  target: string,
  ctx: PlanContext<QdrantReader>,
): Promise<ArrayLook> {
  const found = { count: 0, both: 0, bytes: 0, longest: 0 };
  const others: string[] = [];
  for await (const page of splitPages({ ...request, onlyArrays: true }, ctx)) {
    others.push(...page.others);
    found.count += page.others.length;
    for (const { elements, ids } of page.groups) {
      found.count += ids.length;
      found.bytes += ids.length * 2 * Buffer.byteLength(JSON.stringify(elements));
      found.longest = Math.max(found.longest, elements.length);
      if (elements.includes(target)) found.both += ids.length;
    }
  }
  return {
    arrays: { count: found.count, both: found.both },
    bytes: found.bytes,
    problems: [...unnameable(request, others), ...tooManyConditions(request, found.longest)],
  };
}

function unnameable({ facts, match }: ArrayRequest, ids: readonly string[]): readonly Problem[] {
  if (ids.length === 0) return [];
  const named = `${ids.slice(0, NAMED).join(', ')}${ids.length > NAMED ? ', …' : ''}`;
  return [
    {
      stage: 'qdrant',
      code: 'array-value',
      message:
        `${facts.name}: ${match.field} of ${grouped(ids.length)} points is an array that holds "${match.value}" beside something ` +
        `that is no text, whole number or truth value (${named}): such a write cannot be guarded`,
      fix: `make ${match.field} of these points a list of texts, or leave this store out with --skip-qdrant`,
    },
  ];
}

function tooManyConditions({ facts, match }: ArrayRequest, longest: number): readonly Problem[] {
  const most = facts.limits.filterMaxConditions;
  if (most === undefined || longest + OTHER_CONDITIONS <= most) return [];
  return [
    {
      stage: 'qdrant',
      code: 'array-value',
      message:
        `${facts.name}: ${match.field} is an array of up to ${longest} elements, and strict mode allows ${most} ` +
        `conditions in a filter: a guarded write needs ${longest + OTHER_CONDITIONS}`,
      fix: `raise filter_max_conditions of ${facts.name}, or leave this store out with --skip-qdrant`,
    },
  ];
}
