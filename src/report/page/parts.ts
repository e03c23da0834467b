import { count } from '../format.ts';
import { clipped, type Tone } from '../report-view.ts';
import { html, type Markup, type Part } from './html.ts';

const LONGEST_ID = 300;

/** A name from a store or an operator: in its own writing direction, and never longer than a page bears. */
export function name(text: string): Markup {
  return html`<bdi class="id">${clipped(text, LONGEST_ID)}</bdi>`;
}

/** A sign for a tone: each has a shape of its own, and stands beside its words. */
export function mark(tone: Tone): Markup {
  const shape = SHAPES[tone];
  return html`<svg class="mark" viewBox="0 0 20 20" aria-hidden="true" focusable="false">${shape}</svg>`;
}

const SHAPES: Readonly<Record<Tone, Markup>> = {
  good: html`<circle cx="10" cy="10" r="8"/><path d="m6.3 10.3 2.5 2.5 5-5.4"/>`,
  bad: html`<path d="M6.6 2h6.8L18 6.6v6.8L13.4 18H6.6L2 13.4V6.6z"/><path d="m7.2 7.2 5.6 5.6m0-5.6-5.6 5.6"/>`,
  warn: html`<path d="M10 2.2 18.2 17H1.8z"/><path d="M10 7.6v4.2m0 2.6v.1"/>`,
  plain: html`<circle cx="10" cy="10" r="8"/><path d="M6.5 10h7"/>`,
};

/** A status: sign and words. */
export function tag({ tone, words }: { readonly tone: Tone; readonly words: string }): Markup {
  return html`<span class="tag ${tone}">${mark(tone)}${words}</span>`;
}

/** A share as a bar. What it says must be said in words beside it. */
export function meter(share: number, kind = ''): Markup {
  const width = percent(Math.min(1, Math.max(0, share)));
  return html`<svg class="meter" aria-hidden="true" focusable="false"><rect class="track" width="100%" height="100%"/><rect class="fill ${kind}" width="${width}" height="100%"/></svg>`;
}

/** 0.12345 → `12.35%`. */
export function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))}%`;
}

/** A section of the page with its heading, or nothing where it has nothing to show. */
export function section(id: string, title: string, body: Part, intro?: Part): Markup {
  const lead = intro === undefined ? undefined : html`<p class="soft">${intro}</p>`;
  return html`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>${lead}${body}</section>`;
}

interface Column {
  readonly title: string;
  /** Numbers stand at the right. */
  readonly number?: boolean;
  /** A drawing of what stands beside it in numbers: left out where there is no room. */
  readonly picture?: boolean;
}

/** A table that scrolls by itself where it is wider than the page. The first cell of each row is its heading. */
export function table(caption: string, columns: readonly Column[], rows: readonly (readonly Part[])[]): Markup {
  const head = columns.map((column) => html`<th scope="col"${kindOf(column)}>${column.title}</th>`);
  const cell = (part: Part, index: number) =>
    index === 0 ? html`<th scope="row">${part}</th>` : html`<td${kindOf(columns[index])}>${part}</td>`;
  const body = rows.map((row) => html`<tr>${row.map(cell)}</tr>`);
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table><caption>${caption}</caption><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}

function kindOf(column: Column | undefined): Markup | undefined {
  if (column?.picture === true) return html` class="viz"`;
  return column?.number === true ? html` class="n"` : undefined;
}

/** `and 12 more`, or nothing. */
export function andMore(all: number, shown: number, where: string): Markup | undefined {
  return all <= shown ? undefined : html`<p class="soft">and ${count(all - shown)} more ${where}</p>`;
}

/** Names beside values. */
export function pairs(entries: readonly (readonly [string, Part])[]): Markup {
  return html`<dl class="pairs">${entries.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>`;
}
