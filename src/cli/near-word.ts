import { closest, distance } from 'fastest-levenshtein';

/**
 * The known word that was meant, in whatever case: of at most one other letter in short words, two in longer ones.
 * Undefined where none is so near.
 */
export function nearWord(given: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  // The known words are in small letters: VERIFY would be far from every one of them.
  const typed = given.toLowerCase();
  const near = closest(typed, known);
  const most = Math.min(typed.length, near.length) < 5 ? 1 : 2;
  // A single letter is near to every short word.
  return typed.length > 1 && distance(typed, near) <= most ? near : undefined;
}
