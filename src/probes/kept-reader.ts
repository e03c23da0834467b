/** A connection of the probes' own, made when it is first needed and again where it could not be made. */
export class KeptReader<S extends { close(): Promise<void> }> {
  readonly #open: () => Promise<S>;
  #opened: Promise<S> | undefined;

  constructor(open: () => Promise<S>) {
    this.#open = open;
  }

  get(): Promise<S> {
    this.#opened ??= this.#open().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  /** Never rejects. */
  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    // One that cannot be closed is gone: there is nothing that could be done about it.
    await opened?.then((store) => store.close()).catch(() => undefined);
  }
}
