import type { CollectionFacts } from '../../stores/qdrant/collection-facts.ts';
import type { QdrantWriter } from '../../stores/qdrant/qdrant-reader.ts';
import type { ApplyContext } from '../stage.ts';
import { mayAskForArrays, splitPages } from './arrays.ts';
import { AS_NUMBER, AS_TEXT, matchOf, tokenOf } from './field-forms.ts';
import type { ArraysEntry, PointsEntry } from './undo-entry.ts';

/**
 * Gives the source back its place in the logged arrays. An array that is as the move left it becomes what it was; in
 * one that was changed since, and still holds the target and not the source, only the target's entry is given back.
 */
export async function giveBackArrays(
  entry: ArraysEntry,
  facts: CollectionFacts,
  ctx: ApplyContext<QdrantWriter>,
): Promise<number> {
  const { collection, field, ids, from, to, move } = entry;
  const form = entry.number ? AS_NUMBER : AS_TEXT;
  const match = matchOf(field, move.target, form);
  const [source, target] = [tokenOf(move.source, form), tokenOf(move.target, form)];
  const both = from.includes(target);
  const where = { collection, field, shardKeys: facts.shardKeys, unordered: !mayAskForArrays(facts) };
  const count = await ctx.store.count({ collection, ids, array: { field, elements: to, unordered: where.unordered } });
  await ctx.store.setArray({ ...where, ids, from: to, to: from });
  let changed = 0;
  const order = from.filter((element) => element === source || (both && element === target));
  for await (const { single, groups } of splitPages({ facts, match, ids }, ctx)) {
    if (single.length > 0) {
      await ctx.store.setField({ collection, ids: single, match, to: move.source, shardKeys: facts.shardKeys });
      changed += single.length;
    }
    for (const { elements, ids: alike } of groups) {
      if (elements.includes(source)) continue;
      const given = elements.flatMap((element) => (element === target ? order : [element]));
      await ctx.store.setArray({ ...where, ids: alike, from: elements, to: given });
      changed += alike.length;
    }
  }
  return count + changed;
}

/**
 * Of the logged points that were the id alone those that hold the target in an array by now: its entry alone is given
 * back, so that nobody else's is lost; an array that holds the source again stays. Resolves to their ids.
 */
export async function giveBackInArrays(
  { collection, field, number, ids, move }: PointsEntry,
  facts: CollectionFacts,
  ctx: ApplyContext<QdrantWriter>,
): Promise<readonly string[]> {
  const form = number ? AS_NUMBER : AS_TEXT;
  const match = matchOf(field, move.target, form);
  const [source, target] = [tokenOf(move.source, form), tokenOf(move.target, form)];
  const unordered = !mayAskForArrays(facts);
  const asked = unordered ? { severalValues: true } : { inArrays: true };
  if ((await ctx.store.count({ collection, ids, match, ...asked })) === 0) return [];
  const found: string[] = [];
  for await (const { groups, others } of splitPages({ facts, match, ids, onlyArrays: true }, ctx)) {
    found.push(...others);
    for (const { elements, ids: alike } of groups) {
      found.push(...alike);
      if (elements.includes(source)) continue;
      const to = elements.map((element) => (element === target ? source : element));
      const where = { collection, field, shardKeys: facts.shardKeys, unordered };
      await ctx.store.setArray({ ...where, ids: alike, from: elements, to });
    }
  }
  return found;
}
