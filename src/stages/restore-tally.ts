import type { RestoreLook } from './stage.ts';

const MOST_SAMPLES = 10;

/** Counts how a backup's records stand in the store. */
export class RestoreTally {
  readonly #counts = { absent: 0, equal: 0, expired: 0, different: 0, notRestorable: 0 };
  readonly #samples: string[] = [];
  readonly #notes: string[] = [];
  #work = false;
  #schemaAbsent = 0;

  add(standing: 'absent' | 'equal' | 'expired' | 'notRestorable', count = 1): void {
    this.#counts[standing] += count;
    if (standing === 'absent' && count > 0) this.#work = true;
  }

  /** A record that stands in the store with other content. */
  differs(name: string, count = 1): void {
    this.#counts.different += count;
    if (this.#samples.length < MOST_SAMPLES) this.#samples.push(name);
  }

  note(text: string): void {
    if (!this.#notes.includes(text)) this.#notes.push(text);
  }

  /** An index or a constraint that is to be made: no record of the tenant's, as in what a backup tells. */
  lacksSchema(): void {
    this.#schemaAbsent += 1;
    this.#work = true;
  }

  /** Something is to be done though no record is absent. */
  hasWork(): void {
    this.#work = true;
  }

  look(): RestoreLook {
    return {
      ...this.#counts,
      schemaAbsent: this.#schemaAbsent,
      work: this.#work,
      samples: this.#samples,
      notes: this.#notes,
    };
  }
}
