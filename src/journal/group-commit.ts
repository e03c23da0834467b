interface Waiting<T> {
  readonly item: T;
  readonly durable: boolean;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Items that wait together are written together: while one group is on its way to the disk, the next one gathers.
 * After a write that failed, what it left behind is unknown: every later item fails in the same way.
 */
export class GroupCommit<T> {
  readonly #write: (items: readonly T[], durable: boolean) => Promise<void>;
  #waiting: Waiting<T>[] = [];
  #writing: Promise<void> | undefined;
  #broken: { readonly error: unknown } | undefined;
  /** Something was written that is not yet durable. */
  #loose = false;

  /** `write` puts a group behind the one before; with `durable` it returns once all so far will survive a crash. */
  constructor(write: (items: readonly T[], durable: boolean) => Promise<void>) {
    this.#write = write;
  }

  /** Resolves when the item will survive a crash. */
  durable(item: T): Promise<void> {
    return this.#push(item, true);
  }

  /** Written soon, durable with a later item. That it could not be written is told by the next {@link durable}. */
  soon(item: T): void {
    this.#push(item, false).catch(ignoreHere);
  }

  /** Waits for what is under way. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  /** Makes everything durable. Throws where something could not be written. */
  async close(): Promise<void> {
    await this.#writing;
    if (this.#broken !== undefined) throw this.#broken.error;
    if (this.#loose) await this.#write([], true);
    this.#loose = false;
  }

  #push(item: T, durable: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, durable, resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  async #writeAll(): Promise<void> {
    // Let the items of this turn of the event loop join the first group.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      await this.#commit(group);
    }
    this.#writing = undefined;
  }

  async #commit(group: readonly Waiting<T>[]): Promise<void> {
    const durable = group.some((waiting) => waiting.durable);
    try {
      if (this.#broken !== undefined) throw this.#broken.error;
      await this.#write(
        group.map(({ item }) => item),
        durable,
      );
      this.#loose = !durable;
      for (const waiting of group) waiting.resolve();
    } catch (error) {
      this.#broken ??= { error };
      for (const waiting of group) waiting.reject(error);
    }
  }
}

function ignoreHere(): void {
  // `#broken` keeps the failure for the next item that must be durable.
}
