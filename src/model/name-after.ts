import type { Move } from './move.ts';

/**
 * The name that an index has once its tenant is moved: the source's id in it becomes the target's, also where every
 * character outside `[A-Za-z0-9_]` was written as `_` (LightRAG does so). The id must stand between other characters than
 * letters and digits; of several places the end counts first, then the start, then the last: `entity_id_idx_id` of a
 * tenant `id` keeps its beginning. Undefined where the name does not hold the id.
 */
export function nameAfter(name: string, { source, target }: Move): string | undefined {
  const plain = plainName(source);
  const exact = places(name, source);
  // An id that has no other characters is written alike in both forms; names as a rule hold plain characters alone.
  if (exact.length > 0 && (source !== plain || !isPlain(withoutAll(name, source)))) {
    return replacedAt(name, { places: exact, from: source, to: target });
  }
  const found = places(name, plain);
  return found.length === 0 ? undefined : replacedAt(name, { places: found, from: plain, to: plainName(target) });
}

/** An id as a part of an identifier. */
export function plainName(id: string): string {
  return id.replaceAll(/[^A-Za-z0-9_]/g, '_');
}

const isPlain = (text: string): boolean => /^[A-Za-z0-9_]*$/.test(text);

const withoutAll = (name: string, id: string): string => name.split(id).join('');

/** Where the id stands with nothing beside it that would make it part of a longer word. */
function places(name: string, id: string): readonly number[] {
  const found: number[] = [];
  for (let at = name.indexOf(id); at !== -1; at = name.indexOf(id, at + 1)) {
    const before = name.slice(0, at);
    const after = name.slice(at + id.length);
    if (!/[\p{L}\p{N}]$/u.test(before) && !/^[\p{L}\p{N}]/u.test(after)) found.push(at);
  }
  return found;
}

function replacedAt(
  name: string,
  { places: found, from, to }: { readonly places: readonly number[]; readonly from: string; readonly to: string },
): string {
  const end = name.length - from.length;
  const at = found.includes(end) ? end : found.includes(0) ? 0 : (found.at(-1) ?? 0);
  return name.slice(0, at) + to + name.slice(at + from.length);
}
