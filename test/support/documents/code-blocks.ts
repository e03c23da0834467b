import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** A fenced block of a document. */
export interface CodeBlock {
  /** The document's name and the line of the fence. */
  readonly where: string;
  /** The heading that it stands under. */
  readonly heading: string;
  /** `sh` is run; everything else is output or a file's content. */
  readonly language: string;
  /** The file that it is the content of, where the fence names one (```` ```sh fence.sh ````). */
  readonly file: string;
  readonly text: string;
}

const FENCE = /^```([^\s`]*) ?([^\n`]*)\n(.*?)^```$/gms;

/** All fenced blocks of a Markdown document, in their order. */
export function codeBlocks(path: string): readonly CodeBlock[] {
  const document = readFileSync(path, 'utf8');
  const blocks = [...document.matchAll(FENCE)];
  return blocks.map(({ index, 1: language = '', 2: file = '', 3: text = '' }) => {
    const before = document.slice(0, index);
    // A comment in a block of commands is no heading.
    const headings = [...before.replace(FENCE, '').matchAll(/^#+ (.*)$/gm)];
    const where = `${basename(path)}:${before.split('\n').length}`;
    return { where, heading: headings.at(-1)?.[1] ?? '', language, file, text };
  });
}
