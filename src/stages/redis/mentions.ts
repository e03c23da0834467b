import { fromText } from '../../model/byte-string.ts';
import { asciiJson } from '../../model/text-token.ts';

/** What an id may be a part of: letters, digits, `_`, `-`, and every byte of other scripts. */
const WORD = /[\w\x80-\xff-]/;

/** Whether the bytes hold the id as a whole word, as it is or as JSON writes it. */
export function mentions(parts: readonly Buffer[], id: string): boolean {
  const escaped = JSON.stringify(id).slice(1, -1);
  const spellings = [...new Set([id, escaped, asciiJson(escaped)])].map(fromText);
  return parts.some((part) => {
    const text = part.toString('latin1');
    return spellings.some((spelling) => holdsWord(text, spelling));
  });
}

function holdsWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    if (!WORD.test(text.charAt(at - 1)) && !WORD.test(text.charAt(at + word.length))) return true;
  }
  return false;
}
