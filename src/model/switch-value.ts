const YES: readonly string[] = ['true', 'yes', '1', 'on'];
const NO: readonly string[] = ['false', 'no', '0', 'off'];

/** The words that a switch takes, in any case. */
export const SWITCH_WORDS: readonly string[] = [...YES, ...NO];

/** What such a word says; undefined for any other, which must never be taken for one of them. */
export function switchValue(text: string): boolean | undefined {
  const word = text.toLowerCase();
  if (YES.includes(word)) return true;
  return NO.includes(word) ? false : undefined;
}
