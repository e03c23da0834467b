/**
 * JSON text cut into pieces without turning it into values: numbers keep every digit, members their order and their
 * repeats. Expects valid JSON; on anything else it throws a SyntaxError or gives pieces that no parser takes.
 */

/** The members of an object's text, in order: name → the value's text. Of a repeated name the last stays. */
export function rawMembers(text: string): ReadonlyMap<string, string> {
  const members = new Map<string, string>();
  for (const { name, start, end } of memberSpans(text)) members.set(name, text.slice(start, end));
  return members;
}

/** The text of one member's value without looking at what follows it: for objects that repeat no name. */
export function rawMember(text: string, member: string): string | undefined {
  let found: string | undefined;
  eachMember(text, 0, (span) => {
    if (span.name === member) found = text.slice(span.start, span.end);
    return found === undefined;
  });
  return found;
}

/** The same text with another value for a member, wherever its name is repeated; all other characters stay. */
export function withRawMember(text: string, member: string, value: string): string {
  return withRawMembers(text, (name) => (name === member ? value : undefined));
}

/** The same for several members at once: `newValue` gives a member's new value, or undefined where it stays. */
export function withRawMembers(text: string, newValue: (name: string) => string | undefined): string {
  let changed = '';
  let kept = 0;
  for (const { name, start, end } of memberSpans(text)) {
    const value = newValue(name);
    if (value === undefined) continue;
    changed += text.slice(kept, start) + value;
    kept = end;
  }
  return changed + text.slice(kept);
}

/**
 * The text in a form in which equal values are equal text: members in code-unit order, no blanks, no escapes that are
 * not needed. Numbers stay as they are written: `1.0` and `1` are two different things.
 */
export function canonicalRaw(text: string): string {
  const at = skipBlank(text, 0);
  const first = text[at];
  if (first === '{') {
    return canonicalMembers(rawMembers(text));
  }
  if (first === '[') {
    // Numbers alone, as most vectors are: nothing to sort.
    if (!text.includes('"') && !text.includes('{')) return BLANK.test(text) ? text.replace(BLANKS, '') : text;
    return `[${rawItems(text).map(canonicalRaw).join(',')}]`;
  }
  if (first === '"' && text.includes('\\')) return JSON.stringify(JSON.parse(text));
  return text.trim();
}

/** The same for an object in pieces; where a member is named, as if its value were `null`. */
export function canonicalMembers(members: ReadonlyMap<string, string>, butFor?: string): string {
  const sorted = [...members].sort(([a], [b]) => (a < b ? -1 : 1));
  const texts = sorted.map(([name, value]) => {
    return `${JSON.stringify(name)}:${name === butFor ? 'null' : canonicalRaw(value)}`;
  });
  return `{${texts.join(',')}}`;
}

/** Where one member of an object stands in its text. */
export interface MemberSpan {
  readonly name: string;
  /** Where its name begins and where it has ended. */
  readonly nameStart: number;
  readonly nameEnd: number;
  /** Where the value begins and where it has ended. */
  readonly start: number;
  readonly end: number;
}

/** Where the members of the object stand that begins at `from`, in order, with their repeats. */
export function memberSpans(text: string, from = 0): readonly MemberSpan[] {
  const spans: MemberSpan[] = [];
  eachMember(text, from, (span) => spans.push(span) > 0);
  return spans;
}

/** Until `visit` gives false. A loop and not a generator: every point that is copied comes through here several times. */
function eachMember(text: string, from: number, visit: (span: MemberSpan) => boolean): void {
  let at = skipBlank(text, expect(text, skipBlank(text, from), '{'));
  while (text[at] !== '}') {
    expect(text, at, '"');
    const nameEnd = stringEnd(text, at);
    const plain = text.slice(at + 1, nameEnd - 1);
    const name = plain.includes('\\') ? (JSON.parse(text.slice(at, nameEnd)) as string) : plain;
    const start = skipBlank(text, expect(text, skipBlank(text, nameEnd), ':'));
    const end = valueEnd(text, start);
    if (!visit({ name, nameStart: at, nameEnd, start, end })) return;
    at = nextItem(text, end, '}');
  }
}

/**
 * The texts of the items of the array that begins at `from`, in order. `known` may tell the text of the item that begins
 * at a place, where the caller has compared it: that one is not scanned.
 */
export function rawItems(text: string, from = 0, known?: (start: number) => string | undefined): readonly string[] {
  return rawList(text, from, known).items;
}

/** The same with the place just behind the array. */
export function rawList(
  text: string,
  from: number,
  known?: (start: number) => string | undefined,
): { readonly items: readonly string[]; readonly end: number } {
  const items: string[] = [];
  let at = skipBlank(text, expect(text, skipBlank(text, from), '['));
  while (text[at] !== ']') {
    const item = known?.(at) ?? text.slice(at, valueEnd(text, at));
    items.push(item);
    at = nextItem(text, at + item.length, ']');
  }
  return { items, end: at + 1 };
}

/** The same JSON on one line. Line feeds can stand between the tokens only: inside strings they are escaped. */
export function onOneLine(text: string): string {
  return text.includes('\n') || text.includes('\r') ? text.replace(/[\r\n]+/g, ' ') : text;
}

function nextItem(text: string, end: number, closing: string): number {
  const at = skipBlank(text, end);
  return text[at] === closing ? at : skipBlank(text, expect(text, at, ','));
}

/** Just behind the value that begins at `start`. */
function valueEnd(text: string, start: number): number {
  const first = text[start];
  if (first === '"') return stringEnd(text, start);
  if (first === '[') return numbersEnd(text, start) ?? nestedEnd(text, start);
  if (first === '{') return nestedEnd(text, start);
  TOKEN.lastIndex = start;
  if (!TOKEN.test(text)) throw unexpected(text, start);
  return TOKEN.lastIndex;
}

const BLANK = /[ \n\r\t]/;
const BLANKS = /[ \n\r\t]+/g;
const TOKEN = /[-+.\w]+/y;
/** What matters inside an object or array: strings are passed over as a whole, brackets are counted. */
const MARK = /["{}[\]]/g;

/** Just behind an array without strings, objects and arrays: its first closing bracket. Undefined for any other array. */
function numbersEnd(text: string, start: number): number | undefined {
  const end = text.indexOf(']', start);
  if (end < 0) throw unexpected(text, text.length);
  // A slice shares the text's characters: searching it is bounded, where a search of the text could go on to its end.
  const inner = text.slice(start + 1, end);
  return inner.includes('"') || inner.includes('[') || inner.includes('{') ? undefined : end + 1;
}

function nestedEnd(text: string, start: number): number {
  let depth = 0;
  for (let at = start; ; ) {
    MARK.lastIndex = at;
    if (!MARK.test(text)) throw unexpected(text, text.length);
    at = MARK.lastIndex;
    const mark = text[at - 1];
    // A vector inside a point: thousands of characters without a mark.
    const skipped = mark === '[' && isNumeric(text.charCodeAt(at)) ? numbersEnd(text, at - 1) : undefined;
    if (skipped !== undefined) at = skipped;
    else if (mark === '"') at = stringEnd(text, at - 1);
    else depth += mark === '{' || mark === '[' ? 1 : -1;
    if (depth === 0) return at;
  }
}

/** A digit or a minus. */
function isNumeric(code: number): boolean {
  return code === 45 || (code >= 48 && code <= 57);
}

function stringEnd(text: string, start: number): number {
  for (let at = start + 1; ; ) {
    const quote = text.indexOf('"', at);
    if (quote < 0) throw unexpected(text, text.length);
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return quote + 1;
    at = quote + 1;
  }
}

function skipBlank(text: string, start: number): number {
  let at = start;
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at += 1;
  return at;
}

function expect(text: string, at: number, character: string): number {
  if (text[at] !== character) throw unexpected(text, at);
  return at + 1;
}

function unexpected(text: string, at: number): SyntaxError {
  return new SyntaxError(`unexpected ${at < text.length ? 'character' : 'end'} at ${at} of a JSON text`);
}
