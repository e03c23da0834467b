/** The spellings that Qdrant reads as a UUID (Rust's `Uuid::parse_str`): with and without hyphens, in braces, as a URN. */
const HYPHENATED = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const SIMPLE = /^[0-9a-f]{32}$/i;

/** A UUID's 32 digits in lower case, the same for every spelling of it; undefined for any other text. */
export function uuidOf(text: string): string | undefined {
  const bare = /^\{(.*)\}$/.exec(text)?.[1] ?? /^urn:uuid:(.*)$/.exec(text)?.[1] ?? text;
  if (!HYPHENATED.test(bare) && !(SIMPLE.test(bare) && bare === text)) return undefined;
  return bare.replaceAll('-', '').toLowerCase();
}
