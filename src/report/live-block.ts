import type { Writable } from 'node:stream';

/** A terminal, as far as a live block needs one. */
export type TerminalStream = Writable & { readonly columns?: number; readonly rows?: number };

/**
 * Lines at the end of a terminal that are drawn again in place. Each line is one row whatever stands in it: it is cut to
 * the terminal's width as it is now, and wrapping is off while it is drawn, so a name whose width the terminal sees
 * otherwise cannot break the block. The cursor is never hidden and wrapping is on again after each draw: whoever kills the
 * process finds the terminal as it was.
 */
export class LiveBlock {
  readonly #stream: TerminalStream;
  #lines: readonly string[] = [];

  constructor(stream: TerminalStream) {
    this.#stream = stream;
  }

  /** Takes the place of what was drawn before. */
  draw(lines: readonly string[]): void {
    // A terminal that does not know its size says 0.
    const columns = this.#stream.columns || 80;
    const rows = this.#stream.rows || 24;
    // What has scrolled out of sight cannot be drawn over.
    const fitting = lines.slice(0, Math.max(1, rows - 1)).map((line) => cut(line, columns - 1));
    if (fitting.length === this.#lines.length && fitting.every((line, index) => line === this.#lines[index])) return;
    this.#stream.write(`${this.#toStart()}${NO_WRAP}${fitting.map((line) => `${line}\n`).join('')}${WRAP}`);
    this.#lines = fitting;
  }

  /** Lines above the block, which stay. */
  print(text: string): void {
    const block = this.#lines.map((line) => `${line}\n`).join('');
    this.#stream.write(`${this.#toStart()}${text}\n${block === '' ? '' : `${NO_WRAP}${block}${WRAP}`}`);
  }

  /** What is drawn stays, and the next lines come under it. */
  leave(): void {
    this.#lines = [];
  }

  /** Takes what is drawn away. */
  clear(): void {
    if (this.#lines.length > 0) this.#stream.write(this.#toStart());
    this.#lines = [];
  }

  #toStart(): string {
    return this.#lines.length === 0 ? '' : `\x1b[${this.#lines.length}A\r\x1b[J`;
  }
}

/** DECAWM: what does not fit is not put into the next row. */
const NO_WRAP = '\x1b[?7l';
const WRAP = '\x1b[?7h';

/** Colours, which take no room, or one character. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character begins a colour
const PARTS = /\x1b\[[\d;]*m|./gsu;
/** What takes two cells, or may: rather too much than too little. */
const WIDE = /[\u1100-\u115f\u2e80-\uffff\u{10000}-\u{10ffff}]|\p{Emoji_Presentation}/u;

/** The beginning of a line that takes at most so many cells, its colours closed. */
export function cut(line: string, cells: number): string {
  let used = 0;
  let kept = '';
  /** The longest beginning that leaves a cell for the ellipsis. */
  let short = '';
  let coloured = false;
  for (const [part] of line.matchAll(PARTS)) {
    const isColour = part.startsWith('\x1b[');
    coloured ||= isColour;
    if (!isColour) used += WIDE.test(part) ? 2 : 1;
    if (used > cells) return `${short}…${coloured ? '\x1b[0m' : ''}`;
    kept += part;
    if (used < cells) short = kept;
  }
  return kept;
}
