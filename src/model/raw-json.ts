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
    const members = [...rawMembers(text)].sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([name, value]) => `${JSON.stringify(name)}:${canonicalRaw(value)}`).join(',')}}`;
  }
  if (first === '[') {
    // Numbers alone, as most vectors are: nothing to sort.
    if (!/["{]/.test(text)) return text.replace(BLANKS, '');
    return `[${rawItems(text).map(canonicalRaw).join(',')}]`;
  }
  if (first === '"' && text.includes('\\')) return JSON.stringify(JSON.parse(text));
  return text.trim();
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
export function* memberSpans(text: string, from = 0): Generator<MemberSpan> {
  let at = skipBlank(text, expect(text, skipBlank(text, from), '{'));
  while (text[at] !== '}') {
    const nameEnd = valueEnd(text, at);
    const name = JSON.parse(text.slice(at, nameEnd)) as string;
    const start = skipBlank(text, expect(text, skipBlank(text, nameEnd), ':'));
    const end = valueEnd(text, start);
    yield { name, nameStart: at, nameEnd, start, end };
    at = nextItem(text, end, '}');
  }
}

/** The texts of an array's items, in order. */
export function rawItems(text: string): readonly string[] {
  const items: string[] = [];
  let at = skipBlank(text, expect(text, skipBlank(text, 0), '['));
  while (text[at] !== ']') {
    const end = valueEnd(text, at);
    items.push(text.slice(at, end));
    at = nextItem(text, end, ']');
  }
  return items;
}

/** The same JSON on one line. Line feeds can stand between the tokens only: inside strings they are escaped. */
export function onOneLine(text: string): string {
  return /[\r\n]/.test(text) ? text.replace(/[\r\n]+/g, ' ') : text;
}

function nextItem(text: string, end: number, closing: string): number {
  const at = skipBlank(text, end);
  return text[at] === closing ? at : skipBlank(text, expect(text, at, ','));
}

/** Just behind the value that begins at `start`. */
function valueEnd(text: string, start: number): number {
  const first = text[start];
  if (first === '"') return stringEnd(text, start);
  if (first === '{' || first === '[') return nestedEnd(text, start);
  TOKEN.lastIndex = start;
  if (!TOKEN.test(text)) throw unexpected(text, start);
  return TOKEN.lastIndex;
}

const BLANKS = /[ \n\r\t]+/g;
const TOKEN = /[-+.\w]+/y;
/** What matters inside an object or array: strings are passed over as a whole, brackets are counted. */
const MARK = /["{}[\]]/g;

function nestedEnd(text: string, start: number): number {
  let depth = 0;
  for (let at = start; ; ) {
    MARK.lastIndex = at;
    const mark = MARK.exec(text);
    if (mark === null) throw unexpected(text, text.length);
    at = mark.index + 1;
    if (mark[0] === '"') at = stringEnd(text, mark.index);
    else depth += mark[0] === '{' || mark[0] === '[' ? 1 : -1;
    if (depth === 0) return at;
  }
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
