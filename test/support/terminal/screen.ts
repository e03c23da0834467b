/** What a terminal of so many columns shows of some output. Throws on a sequence that it does not know. */
export interface Screen {
  /** All rows from the first to the last that was written to, without trailing blanks. */
  readonly rows: readonly string[];
  /** Characters that did not fit into their row while wrapping was off. */
  readonly cutOff: number;
  readonly cursorShown: boolean;
  readonly wraps: boolean;
  readonly row: number;
  readonly column: number;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control sequences are what is read
const TOKENS = /\x1b\[([?\d;]*)([A-Za-z])|\x1b(.)|[\x00-\x1f]|./gsu;

export function screenOf(output: string, columns: number): Screen {
  const rows: string[][] = [[]];
  let [row, column, wraps, cursorShown, cutOff] = [0, 0, true, true, 0];
  const put = (character: string) => {
    const width = widthOf(character);
    if (width === 0) return;
    if (column + width > columns) {
      if (!wraps) {
        cutOff += 1;
        return;
      }
      row += 1;
      column = 0;
    }
    while (rows.length <= row) rows.push([]);
    const cells = rows[row] ?? [];
    while (cells.length < column) cells.push(' ');
    cells[column] = character;
    if (width === 2) cells[column + 1] = '';
    column += width;
  };
  for (const [token, parameters = '', letter, escaped] of output.matchAll(TOKENS)) {
    if (letter === 'm') continue;
    if (letter === 'A') row = Math.max(0, row - Number(parameters || 1));
    else if (letter === 'J' && (parameters === '' || parameters === '0')) {
      rows.length = row + 1;
      rows[row] = (rows[row] ?? []).slice(0, column);
    } else if (letter === 'K' || letter === 'G') throw new Error(`not expected: ${JSON.stringify(token)}`);
    else if (letter === 'h' || letter === 'l') {
      if (parameters === '?7') wraps = letter === 'h';
      else if (parameters === '?25') cursorShown = letter === 'h';
      else throw new Error(`not expected: ${JSON.stringify(token)}`);
    } else if (letter !== undefined || escaped !== undefined) throw new Error(`not known: ${JSON.stringify(token)}`);
    else if (token === '\r') column = 0;
    else if (token === '\n') {
      row += 1;
      while (rows.length <= row) rows.push([]);
    } else if (token === '\b') column = Math.max(0, column - 1);
    else if (token < ' ') throw new Error(`not known: ${JSON.stringify(token)}`);
    else put(token);
  }
  return { rows: rows.map((cells) => cells.join('').trimEnd()), cutOff, cursorShown, wraps, row, column };
}

/** As wcwidth has it, for what the tests write. */
function widthOf(character: string): number {
  if (/\p{Mark}|\p{Cf}/u.test(character)) return 0;
  if (
    /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/u.test(
      character,
    )
  )
    return 2;
  return 1;
}
