import type { ByteString } from '../../model/byte-string.ts';

/**
 * Tells keys that a scan has just returned before. Where the server shrinks its table meanwhile (many keys of others
 * expire), SCAN returns keys of the buckets that it is at twice; those are near each other, so two pages are enough.
 */
export class Repeats {
  #last: ReadonlySet<ByteString> = new Set();
  #current = new Set<ByteString>();

  /** Called before each page. */
  nextPage(): void {
    this.#last = this.#current;
    this.#current = new Set();
  }

  /** True where the key was given in this page or the last. */
  has(key: ByteString): boolean {
    if (this.#last.has(key) || this.#current.has(key)) return true;
    this.#current.add(key);
    return false;
  }
}
