import { type ByteString, toJson } from '../../model/byte-string.ts';
import { Reservoir } from '../../model/reservoir.ts';
import type { RedisReader } from '../../stores/redis/redis-store.ts';
import type { MoveCounts } from '../stage.ts';
import { MOST_RULED } from './open-batches.ts';

const SAMPLES = 200;
/** What stands around the keys of a batch, and around the keys of an entry with a dump, without the ids' own bytes. */
const BATCH_BYTES = 120;
const ENTRY_BYTES = 420;
/** A print in a list of prints. */
const PRINT_BYTES = 36;
/** A dump's version and checksum, and the type and length before its content. */
const DUMP_BYTES = 32;

/** What JSON writes as it is, one byte a character. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** Estimates the size of the undo log from what the plan's scan sees: names exactly, dumps from a sample. */
export class UndoSize {
  #names = 0;
  #dumps = 0;
  #values = 0;
  readonly #sample: Reservoir<ByteString>;

  constructor(seed: number) {
    this.#sample = new Reservoir(SAMPLES, seed);
  }

  /** A source key that will be renamed. */
  addRename(key: ByteString): void {
    this.#names += jsonBytes(key) + 1;
  }

  /** A source key that will be copied, with what it was, and removed later. */
  addCopy(key: ByteString): void {
    this.#names += 2 * (jsonBytes(key) + 1) + PRINT_BYTES;
  }

  /** A key whose value will be rewritten; its old token is logged with its name. */
  addValue(key: ByteString, { source }: { readonly source: string }): void {
    this.#values += 1;
    // The token stands there as a string, its quotes escaped.
    this.#names += jsonBytes(key) + Buffer.byteLength(JSON.stringify(JSON.stringify(source))) + 2;
  }

  /** A key that will be dumped before it is removed or overwritten; `other` is its name at the other end. */
  addDump(key: ByteString, other: ByteString): void {
    this.#dumps += 1;
    this.#names += jsonBytes(key) + jsonBytes(other) + ENTRY_BYTES;
    this.#sample.offer(key);
  }

  /** Bytes before they are compressed, `batchSize` keys to a batch. */
  async bytes(store: RedisReader, moves: readonly MoveCounts[], batchSize: number): Promise<number> {
    const around = moves.reduce((sum, { source, target, found }) => {
      const ids = Buffer.byteLength(JSON.stringify(source + target));
      const batches =
        Math.ceil(found / batchSize + 1) + Math.ceil((2 * this.#values) / Math.min(batchSize, MOST_RULED) + 1);
      return sum + (found === 0 ? 0 : batches * (BATCH_BYTES + ids));
    }, 0);
    const sizes = await store.sizes(this.#sample.items);
    const known = sizes.filter((size) => size !== undefined);
    const mean = known.reduce((sum, size) => sum + size, 0) / Math.max(1, known.length);
    // As base64.
    return Math.ceil(this.#names + around + (this.#dumps * (mean + DUMP_BYTES) * 4) / 3);
  }
}

function jsonBytes(key: ByteString): number {
  return PLAIN.test(key) ? key.length + 2 : Buffer.byteLength(JSON.stringify(toJson(key)));
}
