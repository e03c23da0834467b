/** Controls, marks of the writing direction, line ends of Unicode, and the mark of the byte order. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is escaped
const HARMFUL = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** Text from a store, harmless on a terminal: control characters are shown as `\x1b`. */
export function clean(text: string): string {
  return text.replace(HARMFUL, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}
