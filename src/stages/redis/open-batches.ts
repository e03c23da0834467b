import type { ByteString } from '../../model/byte-string.ts';
import type { RenamePair } from '../../stores/redis/redis-store.ts';
import type { RuledKey } from './rewrite-values.ts';
import type { ValueRule } from './value-rules.ts';

/** Keys whose values are read and rewritten together: the server works longer on them than on renames. */
export const MOST_RULED = 250;
/** Keys that are remembered, so that the scan's second sight of them under the new name costs nothing. */
const MOST_REMEMBERED = 100_000;

/** One batch of work on one move. */
export interface Batch {
  readonly move: number;
  readonly pairs: readonly RenamePair[];
  /** Keys under the target's name whose values may name the source: those of the pairs, or what stands there already. */
  readonly ruled: readonly RuledKey[];
}

/** Gathers one move's keys into batches: those with values that name their tenant apart, so that the others pay nothing. */
export class OpenBatches {
  readonly #move: number;
  readonly #size: () => number;
  #plain: RenamePair[] = [];
  #pairs: RenamePair[] = [];
  #ruled: RuledKey[] = [];
  readonly #taken = new Set<ByteString>();

  /** `size`: keys of the next batch that becomes full. */
  constructor(move: number, size: () => number) {
    this.#move = move;
    this.#size = size;
  }

  /** Takes a source key, as a pair, or a key that stands under the target's name; returns a batch that has become full. */
  add(item: RenamePair | ByteString, rule: ValueRule | undefined): Batch | undefined {
    if (rule === undefined) return typeof item === 'string' ? undefined : this.#addPlain(item);
    const key = typeof item === 'string' ? item : item.to;
    if (typeof item === 'string') {
      if (this.#taken.has(key)) return undefined;
    } else {
      this.#pairs.push(item);
      if (this.#taken.size < MOST_REMEMBERED) this.#taken.add(key);
    }
    this.#ruled.push({ key, rule });
    return this.#ruled.length >= Math.min(this.#size(), MOST_RULED) ? this.#takeRuled() : undefined;
  }

  /** What is left, in batches that are not full. */
  rest(): readonly Batch[] {
    return [this.#takePlain(), this.#takeRuled()].filter(({ pairs, ruled }) => pairs.length + ruled.length > 0);
  }

  #addPlain(pair: RenamePair): Batch | undefined {
    this.#plain.push(pair);
    return this.#plain.length >= this.#size() ? this.#takePlain() : undefined;
  }

  #takePlain(): Batch {
    const batch = { move: this.#move, pairs: this.#plain, ruled: [] };
    this.#plain = [];
    return batch;
  }

  #takeRuled(): Batch {
    const batch = { move: this.#move, pairs: this.#pairs, ruled: this.#ruled };
    this.#pairs = [];
    this.#ruled = [];
    return batch;
  }
}
