import { type ByteString, printable } from '../../model/byte-string.ts';
import type { KeyTemplate } from '../../model/key-template.ts';

const MOST_SHAPES = 500;

/** Counts by name, bounded: what comes after the 500th name is counted together. */
export class Tally {
  readonly #counts = new Map<string, number>();
  #others = 0;

  add(name: string): void {
    const count = this.#counts.get(name);
    if (count !== undefined) this.#counts.set(name, count + 1);
    else if (this.#counts.size < MOST_SHAPES) this.#counts.set(name, 1);
    else this.#others += 1;
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, this.#others);
  }

  /** Names with their counts, most first. */
  entries(): readonly (readonly [string, number])[] {
    const sorted = [...this.#counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
    return this.#others > 0 ? [...sorted, ['(others)', this.#others]] : sorted;
  }
}

/** `siraya_text_chunks:…`: what a tenant's keys look like under a template. */
export function claimedShape(template: KeyTemplate, tenant: string): string {
  return template.text.replace('{tenant}', tenant).replace(/\*$/, '…');
}

/** Characters that end a segment of a key. `_` and `-` do not: they stand inside ids. */
const DELIMITERS = ':/|.,;#@{}[]()<>= ';

/** Where `id` stands in a key as a whole segment, or -1. */
export function wholeSegmentAt(key: ByteString, id: ByteString): number {
  for (let at = key.indexOf(id); at >= 0; at = key.indexOf(id, at + 1)) {
    const before = at === 0 || DELIMITERS.includes(key.charAt(at - 1));
    const end = at + id.length;
    if (before && (end === key.length || DELIMITERS.includes(key.charAt(end)))) return at;
  }
  return -1;
}

/** The template that would claim an unclaimed key: the key with the id replaced, cut behind the delimiter that follows it. */
export function claimingTemplate(key: ByteString, at: number, id: ByteString): string {
  const end = at + id.length;
  const head = printable(key.slice(0, at));
  return end === key.length ? `${head}{tenant}` : `${head}{tenant}${printable(key.charAt(end))}*`;
}

/** A look-alike's shape: its start up to the delimiter behind the longer id. */
export function lookAlikeShape(key: ByteString, id: ByteString): string {
  const from = key.indexOf(id) + id.length;
  for (let at = from; at < key.length; at += 1) {
    if (DELIMITERS.includes(key.charAt(at))) return `${printable(key.slice(0, at + 1))}…`;
  }
  return printable(key.slice(0, from)) + (from < key.length ? '…' : '');
}
