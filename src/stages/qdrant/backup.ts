import { MigrateError } from '../../model/errors.ts';
import { canonicalJson, type Json } from '../../model/json.ts';
import type { Move } from '../../model/move.ts';
import { nameOf, parseNameTemplate } from '../../model/name-template.ts';
import { knownPath } from '../../model/payload-path.ts';
import { contentDigest, idOfPoint } from '../../model/point-text.ts';
import { rawItems, rawMembers } from '../../model/raw-json.ts';
import type { Profile } from '../../profiles/profile.ts';
import type { CollectionFacts } from '../../stores/qdrant/collection-facts.ts';
import type { Alias, QdrantReader, QdrantWriter, ScrollRequest } from '../../stores/qdrant/qdrant-reader.ts';
import { RestoreTally } from '../restore-tally.ts';
import type {
  BackupBatch,
  BackupLine,
  BackupPart,
  PlanContext,
  RestoreContext,
  RestoreLook,
  StageBackup,
} from '../stage.ts';
import { copyPoints, knowsInsertOnly } from './copy-points.ts';
import { fieldText, matchOf, movedElements, tokenOf } from './field-forms.ts';
import { inEachShard } from './in-each-shard.ts';
import { insertBatchSize } from './page-sizes.ts';
import { newIdsOf } from './re-id/new-ids.ts';
import { copyEntry } from './re-id/re-id-entry.ts';
import { ifThere, survey } from './survey.ts';
import { arraysEntry, pointsEntry, type UndoEntry } from './undo-entry.ts';

const MOST_POINTS_IN_A_PAGE = 1_000;
const IDS_IN_AN_ENTRY = 5_000;

/** A collection as a backup has it. */
interface CollectionRecord {
  readonly kind: 'collection';
  readonly collection: string;
  readonly config: Json;
  readonly indexes: readonly { readonly field: string; readonly schema: Json }[];
}

/** Consecutive points of one collection, as the server's own text. */
interface PointGroup {
  readonly collection: string;
  readonly points: readonly string[];
}

/** The tenant's points with payload and all vectors as the server's own text, and what their collections are like. */
export const qdrantBackup: StageBackup<QdrantReader, QdrantWriter> = {
  read: readPoints,
  compare: comparePoints,
  restore: restorePoints,
  undoEntries: entriesOf,
};

async function* readPoints(tenant: string, ctx: PlanContext<QdrantReader>): AsyncGenerator<BackupBatch> {
  const surveyed = await survey([{ source: tenant, target: tenant }], ctx);
  const isWhole = ownNames(tenant, ctx.profile);
  const aliases = (await ctx.store.aliases()).filter(({ alias }) => isWhole(alias));
  if (aliases.length > 0) yield { lines: [], notKept: [aliasesText(aliases)] };
  for (const { facts, counts } of surveyed) {
    if (isWhole(facts.name)) {
      yield* readAll(facts, ctx);
      continue;
    }
    if (counts === undefined) throw unreadable(facts.name, ctx);
    if (counts.every(({ source }) => source === 0)) continue;
    yield { lines: [collectionLine(facts)] };
    const pageSize = Math.min(MOST_POINTS_IN_A_PAGE, facts.limits.maxQueryLimit ?? MOST_POINTS_IN_A_PAGE);
    for (const form of counts.filter(({ source }) => source > 0)) {
      const match = matchOf(ctx.profile.qdrantField, tenant, form);
      for await (const points of textsOf(facts, ctx, { match, pageSize })) {
        ctx.signal.throwIfAborted();
        yield { lines: points.map((point) => pointLine(facts.name, point)) };
      }
    }
  }
}

/** Whether a name belongs to the tenant as a whole. */
function ownNames(tenant: string, { collectionTemplates }: Profile): (name: string) => boolean {
  const names = new Set(collectionTemplates.map((text) => nameOf(parseNameTemplate(text), tenant)));
  return (name) => names.has(name);
}

function aliasesText(aliases: readonly Alias[]): string {
  const each = aliases.map(({ alias, collection }) => `${alias} of ${collection}`).join(', ');
  return `aliases named after the tenant are not kept: ${each}`;
}

async function* readAll(facts: CollectionFacts, ctx: PlanContext<QdrantReader>): AsyncGenerator<BackupBatch> {
  yield { lines: [collectionLine(facts)] };
  const pageSize = Math.min(MOST_POINTS_IN_A_PAGE, facts.limits.maxQueryLimit ?? MOST_POINTS_IN_A_PAGE);
  for await (const points of textsOf(facts, ctx, { pageSize })) {
    ctx.signal.throwIfAborted();
    yield { lines: points.map((point) => pointLine(facts.name, point)) };
  }
}

function textsOf(
  { name, shardKeys }: CollectionFacts,
  { store }: PlanContext<QdrantReader>,
  request: Omit<ScrollRequest, 'collection' | 'shardKeys'>,
): AsyncIterable<readonly string[]> {
  return inEachShard(shardKeys, (keys) => store.scrollTexts({ collection: name, shardKeys: keys, ...request }));
}

function unreadable(collection: string, ctx: PlanContext<QdrantReader>): MigrateError {
  const field = ctx.profile.qdrantField;
  return new MigrateError('refused', `the server lets nobody filter ${collection} by ${field}`, {
    stage: 'qdrant',
    store: ctx.store.url,
    next: `index ${field} there first, or leave this store out with --skip-qdrant`,
  });
}

function collectionLine({ name, config, indexes }: CollectionFacts): BackupLine {
  const record: CollectionRecord = {
    kind: 'collection',
    collection: name,
    config,
    indexes: [...indexes].map(([field, { type, params }]) => ({ field, schema: params ?? type })),
  };
  return { kind: 'collection', text: JSON.stringify(record) };
}

function pointLine(collection: string, point: string): BackupLine {
  return { kind: 'point', text: `{"kind":"point","collection":${JSON.stringify(collection)},"point":${point}}` };
}

/** The part's lines as collections and groups of points, in their order. */
async function* recordsOf(part: BackupPart): AsyncGenerator<CollectionRecord | PointGroup> {
  for await (const lines of part.lines()) {
    let group: { collection: string; points: string[] } | undefined;
    for (const line of lines) {
      const members = rawMembers(line);
      const collection = JSON.parse(members.get('collection') ?? '""') as string;
      const point = members.get('point');
      if (group !== undefined && (point === undefined || group.collection !== collection)) {
        yield group;
        group = undefined;
      }
      if (point === undefined) yield JSON.parse(line) as CollectionRecord;
      else {
        group ??= { collection, points: [] };
        group.points.push(point);
      }
    }
    if (group !== undefined) yield group;
  }
}

async function comparePoints(part: BackupPart, ctx: PlanContext<QdrantReader>): Promise<RestoreLook> {
  const tally = new RestoreTally();
  const missing = new Set<string>();
  for await (const record of recordsOf(part)) {
    ctx.signal.throwIfAborted();
    const { collection } = record;
    if (!('points' in record)) {
      if (await compareCollection(record, tally, ctx)) missing.add(collection);
    } else if (missing.has(collection)) tally.add('absent', record.points.length);
    else {
      for (const [index, standing] of (await ctx.store.standings(collection, record.points)).entries()) {
        if (standing === 'different') tally.differs(`${collection} ${idOf(record.points[index] ?? '{}')}`);
        else tally.add(standing);
      }
    }
  }
  return tally.look();
}

/** True where the collection does not exist. */
async function compareCollection(
  record: CollectionRecord,
  tally: RestoreTally,
  ctx: PlanContext<QdrantReader>,
): Promise<boolean> {
  const facts = await ifThere(() => ctx.store.collection(record.collection));
  if (facts === undefined) {
    if (hasOwnShards(record.config)) {
      tally.differs(record.collection);
      tally.note(`make ${record.collection} with its shard keys first: a backup does not hold them`);
    }
    tally.hasWork();
    return true;
  }
  if (vectorsOf(facts.config) !== vectorsOf(record.config)) {
    tally.differs(record.collection);
    tally.note(`the vectors of ${record.collection} have another size, distance or name than in the backup`);
  }
  for (const { field, schema } of record.indexes) {
    const index = facts.indexes.get(field);
    if (index === undefined) tally.hasWork();
    else if (canonicalJson(index.params ?? index.type) !== canonicalJson(schema)) {
      tally.note(`the index on ${field} of ${record.collection} is another than in the backup, and stays`);
    }
  }
  return false;
}

function hasOwnShards(config: Json): boolean {
  return (config as { params?: { sharding_method?: string } }).params?.sharding_method === 'custom';
}

function vectorsOf(config: Json): string {
  const { vectors, sparse_vectors } = (config as { params?: Record<string, Json> }).params ?? {};
  return canonicalJson([shapes(vectors), Object.keys((sparse_vectors as object | undefined) ?? {}).sort()]);
}

/** What decides whether a point fits in; where vectors are stored and how they are indexed does not. */
function shapes(vectors: Json | undefined): unknown {
  const all = (vectors ?? {}) as Record<string, Json>;
  const one = (vector: unknown) => {
    const { size, distance, multivector_config, datatype } = vector as Record<string, Json>;
    return { size, distance, multivector_config, datatype };
  };
  return typeof all.size === 'number' ? one(all) : Object.fromEntries(Object.entries(all).map(([n, v]) => [n, one(v)]));
}

async function* restorePoints(part: BackupPart, ctx: RestoreContext<QdrantWriter>): AsyncGenerator<number> {
  const insertOnly = knowsInsertOnly(await ctx.store.version());
  const limits = new Map<string, number>();
  for await (const record of recordsOf(part)) {
    if (!('points' in record)) {
      await ctx.permit(0);
      await ensureCollection(record, ctx);
      continue;
    }
    const before = (absent: readonly unknown[]) => ctx.permit(absent.length);
    const { collection } = record;
    const mostAtOnce = limits.get(collection) ?? insertBatchSize((await ctx.store.collection(collection)).limits);
    limits.set(collection, mostAtOnce);
    const standings = await copyPoints(ctx.store, { ...record, insertOnly, mostAtOnce, before });
    const inserted = standings.filter((standing) => standing === 'inserted').length;
    if (inserted > 0) yield inserted;
  }
}

async function ensureCollection(record: CollectionRecord, ctx: RestoreContext<QdrantWriter>): Promise<void> {
  const { collection, config, indexes } = record;
  const there = await ifThere(() => ctx.store.collection(collection));
  if (there === undefined) await ctx.store.createCollection(collection, config);
  for (const { field, schema } of indexes) {
    if (there?.indexes.has(field) !== true) await ctx.store.createIndex(collection, field, schema);
  }
}

/** As people read it: a UUID without its quotes. */
function idOf(point: string): string {
  return (rawMembers(point).get('id') ?? '').replace(/^"|"$/g, '');
}

/** In the order in which a move logs it: fields first, then what became of whole collections. */
async function* entriesOf(part: BackupPart, move: Move, profile: Profile): AsyncGenerator<Json[]> {
  yield* pointsOf(part, move, profile);
  yield* namedOf(part, move, profile);
}

async function* namedOf(part: BackupPart, move: Move, profile: Profile): AsyncGenerator<Json[]> {
  const isWhole = ownNames(part.tenant, profile);
  const templates = profile.collectionTemplates.map(parseNameTemplate);
  const dropped: Json[] = [];
  for await (const record of recordsOf(part)) {
    const { collection: from } = record;
    const template = templates.find((one) => nameOf(one, move.source) === from);
    if (!isWhole(from) || template === undefined) continue;
    const to = nameOf(template, move.target);
    if (profile.collectionMode === 'alias') {
      if (!('points' in record)) yield [{ kind: 'named-aliases', changes: [{ alias: to, was: null, becomes: from }] }];
    } else if ('points' in record) {
      yield [{ kind: 'named-copied', from, to, ids: record.points.map(idOfPoint) }];
    } else {
      yield [{ kind: 'named-begun', from, to, made: true }];
      dropped.push({ kind: 'named-dropped', from, to, config: record.config, indexes: record.indexes });
    }
  }
  if (dropped.length > 0) yield dropped;
}

async function* pointsOf(part: BackupPart, move: Move, profile: Profile): AsyncGenerator<Json[]> {
  const field = profile.qdrantField;
  const newIds = newIdsOf(profile, 'auto');
  for await (const record of recordsOf(part)) {
    if (!('points' in record)) continue;
    const copies = record.points.flatMap((point) => {
      const pair = newIds?.pairOfText(point, move);
      return pair === undefined ? [] : [{ ...pair, text: point, digest: contentDigest(point, field) }];
    });
    // Whether the move gave a point its new id or left it the old one shows when it is taken back: both are named.
    const place = { move, collection: record.collection, field, end: 'source' } as const;
    if (copies.length > 0) yield [copyEntry(place, copies) as Json];
    for (const group of alikePoints(record.points, field)) {
      // A collection that is the tenant's as a whole holds points without the field, too.
      if (!namesSource(group.text, move)) continue;
      for (let at = 0; at < group.ids.length; at += IDS_IN_AN_ENTRY) {
        const ids = group.ids.slice(at, at + IDS_IN_AN_ENTRY);
        yield [entryOf({ ...group, ids }, record.collection, field, move) as Json];
      }
    }
  }
}

/** Points with the same text in the field. */
interface Alike {
  readonly text: string;
  readonly ids: string[];
}

function alikePoints(points: readonly string[], field: string): readonly Alike[] {
  const groups = new Map<string, Alike>();
  for (const point of points) {
    const members = rawMembers(point);
    const payload = members.get('payload') ?? 'null';
    const text = (payload.startsWith('{') && fieldText(rawMembers(payload), knownPath(field))) || 'null';
    const group = groups.get(text) ?? { text, ids: [] };
    groups.set(text, group);
    group.ids.push(members.get('id') ?? '');
  }
  return [...groups.values()];
}

/** What a move would have logged for such points. */
function entryOf({ text, ids }: Alike, collection: string, field: string, move: Move): UndoEntry {
  const number = isNumberIn(text, move.source) ? ({ number: true } as const) : {};
  if (!text.startsWith('[')) return pointsEntry({ move, collection, field, ...number, ids });
  const from = rawItems(text).map((item) => (item.startsWith('"') ? JSON.stringify(JSON.parse(item)) : item));
  const to = movedElements(from, { source: tokenOf(move.source, number), target: tokenOf(move.target, number) });
  return arraysEntry({ move, collection, field, ...number, from, to, ids });
}

function namesSource(text: string, { source }: Move): boolean {
  const tokens = [source, JSON.stringify(source)];
  const values = text.startsWith('[') ? rawItems(text) : [text];
  return values.some((value) => tokens.includes(value.startsWith('"') ? JSON.stringify(JSON.parse(value)) : value));
}

function isNumberIn(text: string, id: string): boolean {
  return text === id || (text.startsWith('[') && rawItems(text).includes(id));
}
