import { MigrateError } from '../../../model/errors.ts';
import { grouped } from '../../../model/grouped.ts';
import type { Move } from '../../../model/move.ts';
import { nameOf, parseNameTemplate } from '../../../model/name-template.ts';
import { idOfPoint, type PointText } from '../../../model/point-text.ts';
import type { QdrantWriter } from '../../../stores/qdrant/qdrant-reader.ts';
import type { ApplyContext, Checkpoint } from '../../stage.ts';
import type { TenantField } from '../field-forms.ts';
import { ifThere } from '../survey.ts';
import {
  type AliasesEntry,
  type DroppedEntry,
  type NamedCopiedEntry,
  type NamedEntry,
  undoEntry,
} from '../undo-entry.ts';
import { takeAliasesBack } from './change-aliases.ts';
import { makeLike } from './make-like.ts';
import { contentField } from './plan-named.ts';
import { sameButForTenant } from './same-content.ts';

const BROUGHT_AT_ONCE = 200;
const COMPARED_AT_ONCE = 200;

/** What the entries of a run say of renamed collections, newest first. */
export class NamedMemory {
  readonly aliases: AliasesEntry[] = [];
  /** Copies by the name of the new collection. */
  readonly copies = new Map<string, { readonly from: string; readonly made: boolean; readonly batch: number }>();
  /** Why points cannot be brought back. */
  readonly lost: MigrateError[] = [];
  readonly sources = new Set<string>();

  isCopied(collection: string): boolean {
    return this.sources.has(collection);
  }
}

export function isNamed(entry: { readonly kind: string }): entry is NamedEntry {
  return ['named-begun', 'named-copied', 'named-aliases', 'named-dropped'].includes(entry.kind);
}

/** Makes deleted collections again and brings the points back, as they are now. Resolves to how many were missing or old. */
export async function undoNamed(
  entry: NamedEntry,
  batch: number,
  memory: NamedMemory,
  ctx: ApplyContext<QdrantWriter>,
): Promise<number> {
  switch (entry.kind) {
    case 'named-aliases':
      memory.aliases.push(entry);
      return 0;
    case 'named-begun': {
      const known = memory.copies.get(entry.to);
      memory.copies.set(entry.to, { from: entry.from, made: entry.made || known?.made === true, batch });
      return 0;
    }
    case 'named-dropped':
      await ctx.permit(0);
      await makeAgain(entry, memory, ctx);
      return 0;
    case 'named-copied':
      memory.sources.add(entry.from);
      await ctx.permit(entry.ids.length);
      return bringBack(entry, ctx);
  }
}

async function makeAgain(
  entry: DroppedEntry,
  memory: NamedMemory,
  { store }: ApplyContext<QdrantWriter>,
): Promise<void> {
  const { from, to } = entry;
  const there = await store.collections();
  if (there.includes(from) || there.includes(to)) return makeLike(store, from, entry);
  const text = `the points of ${from} stood in ${to}, and that collection is gone from Qdrant at ${store.url}`;
  memory.lost.push(
    new MigrateError('missing', text, { stage: 'qdrant', store: store.url, next: 'restore it from a backup' }),
  );
}

async function bringBack(
  { from, to, ids }: NamedCopiedEntry,
  { store, signal }: ApplyContext<QdrantWriter>,
): Promise<number> {
  const there = await ifThere(() => store.collection(to));
  // An earlier undo has come to its end.
  if (there === undefined) return 0;
  let brought = 0;
  for (let at = 0; at < ids.length; at += BROUGHT_AT_ONCE) {
    signal.throwIfAborted();
    const points = await store.retrieveTexts(to, ids.slice(at, at + BROUGHT_AT_ONCE));
    const standings = await store.standings(from, points);
    const changed = points.filter((_, index) => standings[index] !== 'equal');
    const most = there.limits.upsertMaxBatch ?? BROUGHT_AT_ONCE;
    for (let next = 0; next < changed.length; next += most) {
      await store.replacePoints(from, changed.slice(next, next + most));
    }
    brought += points.length;
  }
  return brought;
}

/**
 * The end of an undo, when all points are back: aliases stand for what they stood for, and a collection that we made is
 * deleted where every point of it stands in the old one with the same content. Else only what we inserted is taken out.
 */
export async function endUndoNamed(
  memory: NamedMemory,
  moves: readonly Move[],
  ctx: ApplyContext<QdrantWriter>,
): Promise<readonly Checkpoint[]> {
  const { store } = ctx;
  for (const { changes } of memory.aliases) {
    await ctx.permit(0);
    await takeAliasesBack(changes, store);
  }
  const done: Checkpoint[] = [];
  for (const [to, { from, made, batch }] of memory.copies) {
    if ((await ifThere(() => store.collection(to))) === undefined) continue;
    await ctx.permit(0);
    const pair: Pair = { from, to, field: contentField(moveOf({ from, to }, moves, ctx), ctx) };
    const others = await othersIn(pair, ctx);
    const aliases = (await store.aliases()).filter(({ collection }) => collection === to);
    if (made && others === 0 && aliases.length === 0) await store.deleteCollection(to);
    else {
      const kept = [
        ...(others > 0 ? [`${grouped(others)} points that are not the move's`] : []),
        ...aliases.map(({ alias }) => `the alias ${alias}`),
      ];
      if (kept.length > 0)
        ctx.emit({ type: 'note', stage: 'qdrant', text: `${to} stays: it has ${kept.join(' and ')}` });
      await takeOut(pair, ctx);
    }
    done.push({ batch, moved: 0 });
  }
  return done;
}

/** The old collection and the new one, and the field in which their points may differ. */
interface Pair {
  readonly from: string;
  readonly to: string;
  readonly field: TenantField;
}

/** Whose collection it is. */
function moveOf(
  { from, to }: Pick<Pair, 'from' | 'to'>,
  moves: readonly Move[],
  { profile }: ApplyContext<QdrantWriter>,
): Move {
  const templates = profile.collectionTemplates.map(parseNameTemplate);
  const own = moves.find(({ source, target }) =>
    templates.some((one) => nameOf(one, source) === from && nameOf(one, target) === to),
  );
  return own ?? { source: from, target: to };
}

/** How many points of the new collection the old one does not have as they are. */
async function othersIn(pair: Pair, ctx: ApplyContext<QdrantWriter>): Promise<number> {
  const { limits } = await ctx.store.collection(pair.to);
  const pageSize = Math.min(COMPARED_AT_ONCE, limits.maxQueryLimit ?? COMPARED_AT_ONCE);
  let others = 0;
  for await (const points of ctx.store.scrollTexts({ collection: pair.to, pageSize })) {
    ctx.signal.throwIfAborted();
    others += points.length - (await alike(pair, points, ctx)).length;
  }
  return others;
}

/** Ids of those points of the new collection that stand in the old one with the same content. */
async function alike(
  { from, field }: Pair,
  points: readonly PointText[],
  { store }: ApplyContext<QdrantWriter>,
): Promise<readonly string[]> {
  const old = new Map((await store.retrieveTexts(from, points.map(idOfPoint))).map((one) => [idOfPoint(one), one]));
  return points.flatMap((point) => {
    const id = idOfPoint(point);
    const same = old.get(id);
    return same !== undefined && sameButForTenant(same, point, field) ? [id] : [];
  });
}

/** Deletes from the new collection what the log says we inserted, and what is back in the old one as it is. */
async function takeOut(pair: Pair, ctx: ApplyContext<QdrantWriter>): Promise<void> {
  const { from, to } = pair;
  for await (const { entries } of ctx.undo.read()) {
    for (const entry of entries.map(undoEntry)) {
      if (entry.kind !== 'named-copied' || entry.from !== from || entry.to !== to) continue;
      for (let at = 0; at < entry.ids.length; at += COMPARED_AT_ONCE) {
        const ids = entry.ids.slice(at, at + COMPARED_AT_ONCE);
        await ctx.permit(ids.length);
        const back = await alike(pair, await ctx.store.retrieveTexts(to, ids), ctx);
        const places = back.map((id) => ({ id }));
        if (places.length > 0) await ctx.store.deletePoints(to, places);
      }
    }
  }
}
