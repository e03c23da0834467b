const MOST_CHARACTERS = 16_384;

/** The first of what a hook says; the rest is counted, not kept. */
export class BoundedText {
  #kept = '';
  #left = 0;

  add(text: string): void {
    const room = MOST_CHARACTERS - this.#kept.length;
    this.#kept += text.slice(0, room);
    this.#left += Math.max(0, text.length - room);
  }

  get text(): string {
    return this.#left === 0 ? this.#kept : `${this.#kept}\n(${this.#left} more characters)`;
  }
}
