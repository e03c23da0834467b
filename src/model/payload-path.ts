/**
 * A path to a member of a payload, in Qdrant's own way of writing: names joined by dots, one that holds anything but
 * letters, digits, `_` and `-` in double quotes. `metadata.workspace` goes two steps, `"metadata.workspace"` one.
 */
export type PayloadPath = readonly [string, ...string[]];

const STEP = /(?:([\p{Alphabetic}\p{N}_-]+)|"([^"\\]*)")(\.(?!$)|$)/uy;
const PLAIN = /^[\p{Alphabetic}\p{N}_-]+$/u;

/** Reads a path; undefined where the text is none, or goes through an array (`a[].b`). */
export function payloadPath(text: string): PayloadPath | undefined {
  const names: string[] = [];
  STEP.lastIndex = 0;
  for (let at = 0; at < text.length; at = STEP.lastIndex) {
    const step = STEP.exec(text);
    if (step === null) return undefined;
    names.push(step[1] ?? step[2] ?? '');
  }
  const [first, ...rest] = names;
  return first === undefined ? undefined : [first, ...rest];
}

/** The path as Qdrant writes it, in the names of its indexes too. */
export function pathText(path: readonly string[]): string {
  return path.map((name) => (PLAIN.test(name) ? name : `"${name}"`)).join('.');
}

/** The path of a text that may be written in another way; the text itself where it is no path. */
export function canonicalPath(text: string): string {
  const path = payloadPath(text);
  return path === undefined ? text : pathText(path);
}

/** A path that was checked before. Throws on one that was not. */
export function knownPath(text: string): PayloadPath {
  const path = payloadPath(text);
  if (path === undefined) throw new TypeError(`not a payload path: ${text}`);
  return path;
}

/** What stands at the path; undefined where it leads nowhere. */
export function valueAt(value: unknown, path: readonly string[]): unknown {
  let here = value;
  for (const name of path) {
    if (typeof here !== 'object' || here === null || Array.isArray(here) || !Object.hasOwn(here, name))
      return undefined;
    here = (here as Readonly<Record<string, unknown>>)[name];
  }
  return here;
}
