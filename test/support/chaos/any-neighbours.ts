import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { fulltextIndexName } from '../../../scripts/seed/fulltext-index-name.ts';
import { tenantConfig } from '../../../scripts/seed/tenant-config.ts';
import type { RedisCommand } from '../../../scripts/seed/tenant-keys.ts';
import { NAMESPACES } from '../lightrag/namespaces.ts';
import { type SmallWorld, secretsOf } from './small-world.ts';

/** Nobody else's ids in a graph that is shared; digits, so that ids of digits can hold it, too. */
const FRESH = randomBytes(4).readUInt32BE().toString();

/** What stands around one id, or instead of it, in another that must not be taken for it. */
const RELATIVES: readonly ((id: string) => string)[] = [
  (id) => `${id}_eu`,
  (id) => `my_${id}`,
  (id) => `${id}x`,
  (id) => `${id}_`,
  (id) => `_${id}`,
  (id) => id.toUpperCase(),
  (id) => `${id.slice(0, 1).toUpperCase()}${id.slice(1)}`,
  (id) => id.slice(0, -1),
  (id) => `${id}${id}`,
  // Patterns of Redis, of expressions, of shells and of templates.
  (id) => `${id}*`,
  (id) => `${id.slice(0, -1)}?`,
  (id) => `[${id.slice(0, 1)}]${id.slice(1)}`,
  (id) => `${id.slice(0, 1)}.*`,
  (id) => `(${id}|x)`,
  (id) => `^${id}$`,
  (id) => `${id}$&`,
  (id) => `$\{${id}}`,
  (id) => `{${id}}`,
  (id) => `${id}{tenant}`,
  // Marks that end a name in Cypher, JSON, a URL or a path.
  (id) => `${id}\``,
  (id) => `\`${id}\`\``,
  (id) => `${id}'`,
  (id) => `"${id}"`,
  (id) => `${id} eu`,
  (id) => `${id}.eu`,
  (id) => `${id}/eu`,
  (id) => `../${id}`,
  (id) => `${id}%2Feu`,
  (id) => `${id}%`,
  (id) => `${id}?x=1&y#z`,
  (id) => `${id}+;,@=`,
  (id) => `${id}|~!<>`,
  // The same to an eye, other bytes.
  (id) => `${id}é`,
  (id) => `${id}e\u0301`,
  (id) => `${id}\u200d`,
  (id) => `${id}ſK`,
  (id) => `${id}sK`,
  (id) => `${id}🌊`,
  (id) => `${id}🌊🏽`,
  (id) => `蕭${id}`,
  (id) => `${id}\u202ex`,
  (id) => `${id}\ufeff`,
  // Numbers to some.
  () => FRESH,
  () => `0${FRESH}`,
  () => `00${FRESH}`,
  () => `${FRESH}.0`,
  () => `${FRESH}e0`,
  // Words of the key layouts, and of the language that this is written in.
  (id) => `text_chunks${id}`,
  (id) => `${id}_text_chunks`,
  (id) => `${id}_doc_status__sched`,
  (id) => `${id}_chunks`,
  (id) => `doc_status_${id}`,
  (id) => `task_${id}`,
  () => 'text_chunks',
  () => 'doc_status',
  () => 'x_text_chunks',
  () => '__proto__',
  () => 'constructor',
  () => 'toString',
  () => 'null',
  // As long as an id may be.
  (id) => id.padEnd(255, 'long'),
  (id) => `${id.padEnd(252, 'long')}蕭`,
];

/** Ids that resemble each other: the first is moved, the second is what it is to become. */
const idsOf = fc
  .record({
    stem: fc.constantFrom('siraya', 'Acme', 'a', 't-1', 'Kunde_Ä'),
    drawn: fc.uniqueArray(fc.nat(RELATIVES.length), { minLength: 3, maxLength: 6 }),
    order: fc.nat(5),
  })
  .map(({ stem, drawn, order }) => {
    const id = `${stem}${FRESH}`;
    const all = drawn.map((at) => RELATIVES[at]?.(id) ?? id);
    // The stem itself is mostly among them, in any part.
    const ids = [...new Set([...all.slice(0, order), id, ...all.slice(order)])];
    return ids.filter((one) => Buffer.byteLength(one) <= 255);
  })
  .filter((ids) => ids.length >= 3);

/** One key of every layout that there is, and some that are nobody's. */
function keysOf(id: string, seed: number, moves: boolean): readonly RedisCommand[] {
  // What the profile rewrites in a value would be another test; in those of others their id must stay.
  const task = moves ? `{"state":"done","n":${seed}}` : JSON.stringify({ tenant_id: id, state: 'done' });
  const value = `${id} ${seed}`;
  const own: RedisCommand[] = NAMESPACES.flatMap((namespace, at): RedisCommand[] => {
    const key = `${id}_${namespace}:k${at}`;
    return [
      at % 2 === 0 ? ['SET', key, value] : ['HSET', key, 'field', value],
      ['ZADD', `${id}_${namespace}__sched:status:done`, seed, value],
    ];
  });
  return [
    ...own,
    ['RPUSH', `${id}:session`, value, id],
    ['SET', `task:${id}:1`, task, 'PX', 3_600_000 + seed],
    ['SET', `batch:${id}:1`, task],
    ['SET', `tenant:config:${id}`, JSON.stringify({ tenant_id: id })],
    ['SET', `cache:${id}:1`, value],
    ['SADD', `${id}_notes`, value],
    ['SET', id, value],
  ];
}

/** Some tenants with ids that resemble each other; mostly in the graph, too, whose indexes take their time. */
export const anyNeighbours = fc.record({ ids: idsOf, seed: fc.nat(1_000), graph: fc.constantFrom(true, true, false) });

/** Each of them with its data in every store; all but the target. */
export function neighbourWorld({ ids, seed }: { readonly ids: readonly string[]; readonly seed: number }): SmallWorld {
  const [source = '', target = ''] = ids;
  const there = ids.filter((id) => id !== target);
  return {
    source,
    target,
    tenants: ids,
    redis: there.flatMap((id, at) => keysOf(id, seed + at, id === source)),
    collections: ['lightrag_vdb_chunks', 'notes'].map((name, collection) => ({
      name,
      points: there.flatMap((id, at) => pointsOf(id, 1_000 * collection + 10 * at + 1)),
    })),
    configs: there.map((tenant) => ({ tenant, sections: tenantConfig(seed, tenant) })),
    graph: there.map((label, at) => graphOf(label, seed + at)),
    kept: false,
    secrets: secretsOf(tenantConfig(seed, source)),
  };
}

function pointsOf(id: string, first: number): SmallWorld['collections'][number]['points'] {
  return [0, 1, 2].map((n) => ({
    id: first + n,
    vector: [0.5, -0.25, n / 8, first / 1024],
    payload: { workspace_id: id, content: `${id} ${n}`, from: { id }, ids: [id] },
  }));
}

function graphOf(label: string, seed: number): SmallWorld['graph'][number] {
  const node = (n: number) => ({
    labels: n === 0 ? ['Person'] : [],
    properties: { entity_id: `Entity ${n}`, tenant: label, rank: n, seed },
  });
  return { label, nodes: [0, 1, 2].map(node), relationships: [{ from: 0, to: 1, weight: seed }] };
}

/**
 * Why the tool must refuse this move, if it must: one id is another's with a namespace behind it, so that keys of the
 * one read as the other's; or an index would be named after the target as it is named after the source.
 */
export function mustBeRefused({ source, target, tenants }: SmallWorld, graph: boolean): string | undefined {
  const layouts = NAMESPACES.flatMap((namespace) => [`_${namespace}`, `_${namespace}__sched`]).concat(
    '_doc_status__sched_rebuild',
  );
  for (const end of [source, target]) {
    if (layouts.some((layout) => end.length > layout.length && end.endsWith(layout))) return 'template';
  }
  for (const end of [source, target]) {
    const isNamedAlike = plain(source) === plain(target) || fulltextIndexName(source) === fulltextIndexName(target);
    if (graph && isNamedAlike) return 'schema-conflict';
    if (layouts.some((layout) => tenants.slice(2).includes(end + layout))) return 'ambiguous-keys';
  }
  return undefined;
}

/** An id in a name of an index. */
function plain(id: string): string {
  return id.replace(/\W/g, '_');
}
