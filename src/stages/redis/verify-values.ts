import { type ByteString, printable } from '../../model/byte-string.ts';
import { grouped } from '../../model/grouped.ts';
import { fieldToken } from '../../model/text-token.ts';
import type { RedisReader } from '../../stores/redis/redis-store.ts';
import type { Finding } from '../stage.ts';
import { oddity, oddNotices } from './value-census.ts';
import type { ValueRule } from './value-rules.ts';

const CHUNK = 500;
const MOST_NAMED = 10;

/** Looks at every value under the target's name that names its tenant. */
export class ValueCheck {
  readonly #store: RedisReader;
  readonly #odd = new Map<string, ByteString[]>();
  readonly #naming: ByteString[] = [];
  #count = 0;
  #pending = new Map<ByteString, ValueRule>();

  constructor(store: RedisReader) {
    this.#store = store;
  }

  add(key: ByteString, rule: ValueRule): void {
    this.#pending.set(key, rule);
  }

  /** Reads what was gathered, where it is enough for a request, or all that is left. */
  async read(all = false): Promise<void> {
    if (this.#pending.size < (all ? 1 : CHUNK)) return;
    const pending = this.#pending;
    this.#pending = new Map();
    await this.#store.texts([...pending.keys()], (text, key) => {
      const rule = pending.get(key);
      if (rule === undefined) return;
      if (namesSource(text, rule)) {
        this.#count += 1;
        if (this.#naming.length < MOST_NAMED) this.#naming.push(key);
      }
      const odd = oddity(text, fieldToken(text, rule.path), rule);
      if (odd !== undefined) this.#odd.set(odd, [...(this.#odd.get(odd) ?? []), key].slice(0, MOST_NAMED));
    });
  }

  findings(): readonly Finding[] {
    const odd = oddNotices('the target', { odd: this.#odd });
    if (this.#count === 0) return odd;
    const message = `${grouped(this.#count)} values under the target's name still name the source`;
    const samples = this.#naming.map(printable);
    return [
      {
        stage: 'redis',
        kind: 'value-names-source',
        severity: 'difference',
        message,
        count: this.#count,
        samples,
        drainable: true,
      },
      ...odd,
    ];
  }
}

/** Read as a parser would, unlike the rewriting, which cuts bytes. */
function namesSource(text: Buffer, { path, source }: ValueRule): boolean {
  let value: unknown;
  try {
    value = JSON.parse(text.toString('utf8'));
  } catch {
    // What is no JSON names nobody.
    return false;
  }
  for (const step of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, step))
      return false;
    value = (value as Record<string, unknown>)[step];
  }
  return value === source && fieldToken(text, path).kind === 'text';
}
