import { clean } from '../../model/clean.ts';

/** What may stand in a template. Text is escaped; markup is not, since only a template makes it. */
export type Part = Markup | string | number | readonly Part[] | undefined;

/** A piece of a page. Nothing but {@link html} can make one, so that no value gets into a page as markup. */
class Markup {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

export type { Markup };

/** Markup from a template. Every value is escaped, for elements and for attributes in quotes; lists are joined. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(strings.map((text, index) => text + (index < parts.length ? textOf(parts[index]) : '')).join(''));
}

function textOf(part: Part): string {
  if (part === undefined) return '';
  if (part instanceof Markup) return part.toString();
  if (typeof part === 'string') return escaped(part);
  if (typeof part === 'number') return escaped(String(part));
  return part.map(textOf).join('');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
};

function escaped(text: string): string {
  return clean(text).replace(/[&<>"'`]/g, (character) => ENTITIES[character] ?? '');
}
