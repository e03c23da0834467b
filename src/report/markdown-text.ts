import { clean } from '../model/clean.ts';

/** Text as it is, in Markdown: nothing of it becomes an element, a link, a mention or an emphasis. Stays on one line. */
export function mdText(text: string): string {
  return (
    clean(text)
      .replace(/&/g, '&amp;')
      .replace(/[\\`*[\]|~#$]/g, '\\$&')
      .replace(/(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/g, '\\_')
      .replace(/^(\s*)([-+=])/, '$1\\$2')
      .replace(/^(\s*\d+)([.)])(?=\s|$)/, '$1\\$2')
      // Entities last: their own signs stay as they are.
      .replace(/</g, '&lt;')
      .replace(/>/g, '&gt;')
      .replace(/@/g, '&#64;')
      .replace(/:\/\//g, ':&#47;/')
      .replace(/www\./gi, (word) => `${word.slice(0, 3)}&#46;`)
  );
}

/** A name or a command, letter by letter, also within a table. */
export function mdCode(text: string): string {
  const plain = clean(text).replaceAll('|', '\\|');
  if (plain.trim() === '') return '` `';
  const longest = Math.max(0, ...[...plain.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  const pad = longest > 0 || plain.startsWith(' ') ? ' ' : '';
  return `${fence}${pad}${plain}${pad}${fence}`;
}

/** A command on lines of its own: there a pipe stays a pipe. */
export function mdBlock(text: string): string {
  const plain = clean(text);
  const longest = Math.max(2, ...[...plain.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}\n${plain}\n${fence}`;
}

/** A table of ready cells; numbers stand at the right where a title begins with `>`. */
export function mdTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const heads = titles.map((title) => title.replace(/^>/, ''));
  const rule = titles.map((title) => (title.startsWith('>') ? '---:' : '---'));
  return [line(heads), line(rule), ...rows.map(line)].join('\n');
}
