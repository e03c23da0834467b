import { isObject, type Json, type JsonObject } from './exact-json.ts';

/** A payload path: `a.b`, `a[].b`, `a[0]`, `"a.b".c`. `[]` stands for every element. */
export type JsonPath = readonly (string | number | typeof EVERY)[];
export const EVERY = Symbol('[]');

export function parsePath(text: string): JsonPath {
  const segments: (string | number | typeof EVERY)[] = [];
  for (const part of text.matchAll(/"([^"]*)"|([^.[\]"]+)|\[(\d*)\]/g)) {
    const [, quoted, plain, index] = part;
    if (index !== undefined) segments.push(index === '' ? EVERY : Number(index));
    else segments.push((quoted ?? plain) as string);
  }
  return segments;
}

/** Every value that the path reaches; none where it leads nowhere. */
export function valuesAt(value: JsonObject, path: JsonPath): readonly Json[] {
  if (path.length === 1 && typeof path[0] === 'string') {
    return Object.hasOwn(value, path[0]) ? [value[path[0]] as Json] : [];
  }
  let reached: readonly Json[] = [value];
  for (const segment of path) reached = reached.flatMap((here) => step(here, segment));
  return reached;
}

/** The object with `patch` merged into what stands at `path`; objects on the way are made where they are missing. */
export function mergedAt(value: JsonObject, path: JsonPath, patch: JsonObject): JsonObject {
  const [head, ...rest] = path;
  if (head === undefined) return { ...value, ...patch };
  if (typeof head !== 'string') return value;
  const [index] = rest;
  const inner = Object.hasOwn(value, head) ? value[head] : undefined;
  if (typeof index === 'string' || index === undefined) {
    return { ...value, [head]: mergedAt(isObject(inner) ? inner : {}, rest, patch) };
  }
  const elements = (Array.isArray(inner) ? inner : []) as readonly Json[];
  const changed = elements.map((element, at) =>
    (index === EVERY || index === at) && isObject(element) ? mergedAt(element, rest.slice(1), patch) : element,
  );
  return { ...value, [head]: changed };
}

/** The object without what stands at `path`. */
export function withoutPath(value: JsonObject, path: JsonPath): JsonObject {
  const [head, ...rest] = path;
  if (typeof head !== 'string' || !Object.hasOwn(value, head)) return value;
  const { [head]: inner, ...others } = value;
  if (rest.length === 0) return others;
  const [index] = rest;
  if (typeof index === 'string') return isObject(inner) ? { ...value, [head]: withoutPath(inner, rest) } : value;
  if (!Array.isArray(inner)) return value;
  const elements = inner as readonly Json[];
  if (rest.length === 1) return { ...value, [head]: index === EVERY ? [] : elements.filter((_, at) => at !== index) };
  const changed = elements.map((element, at) =>
    (index === EVERY || index === at) && isObject(element) ? withoutPath(element, rest.slice(1)) : element,
  );
  return { ...value, [head]: changed };
}

/** The object with nothing but what stands at the paths. */
export function onlyPaths(value: JsonObject, paths: readonly JsonPath[]): JsonObject {
  const kept: Record<string, Json> = {};
  for (const [key, member] of Object.entries(value)) {
    const tails = paths.filter(([head]) => head === key).map(([, ...tail]) => tail);
    if (tails.length === 0) continue;
    const inner = tails.some((tail) => tail.length === 0) ? member : onlyWithin(member, tails);
    if (inner !== undefined) kept[key] = inner;
  }
  return kept;
}

function onlyWithin(value: Json, paths: readonly JsonPath[]): Json | undefined {
  if (isObject(value)) {
    const kept = onlyPaths(value, paths);
    return Object.keys(kept).length === 0 ? undefined : kept;
  }
  if (!Array.isArray(value)) return undefined;
  const tails = paths.filter(([head]) => typeof head !== 'string').map(([, ...tail]) => tail);
  if (tails.some((tail) => tail.length === 0)) return value as readonly Json[];
  return (value as readonly Json[]).flatMap((element) => onlyWithin(element, tails) ?? []);
}

function step(value: Json, segment: JsonPath[number]): readonly Json[] {
  if (typeof segment === 'string')
    return isObject(value) && Object.hasOwn(value, segment) ? [value[segment] as Json] : [];
  if (!Array.isArray(value)) return [];
  if (segment === EVERY) return value as readonly Json[];
  return segment < value.length ? [value[segment] as Json] : [];
}
