import type { ByteString } from '../../model/byte-string.ts';
import { digest } from '../../model/fingerprint.ts';
import { fieldToken, tokenOf, withToken } from '../../model/text-token.ts';
import type { KeyFingerprint } from '../../stores/redis/redis-content.ts';
import type { RedisReader } from '../../stores/redis/redis-store.ts';
import type { PlanContext } from '../stage.ts';
import type { ValueRule, ValueRules } from './value-rules.ts';

/**
 * The context with a store whose fingerprints do not see which of a move's two tenants a value names in its own field:
 * all else of the value counts. So a value is the same before and after it is rewritten, and at both ends.
 */
export function withNeutralValues<R extends RedisReader, C extends PlanContext<R>>(ctx: C, rules: ValueRules): C {
  if (rules.none) return ctx;
  const fingerprints = (keys: readonly ByteString[]) => neutralFingerprints(keys, ctx.store, rules);
  const store = new Proxy(ctx.store, {
    get(target, name) {
      if (name === 'fingerprints') return fingerprints;
      const member: unknown = Reflect.get(target, name, target);
      // The store's own parts must not meet the proxy, which has none of its private members.
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
  return { ...ctx, store };
}

async function neutralFingerprints(
  keys: readonly ByteString[],
  store: RedisReader,
  rules: ValueRules,
): Promise<readonly (KeyFingerprint | undefined)[]> {
  const ruled = keys.flatMap((key, index) => (rules.of(key) === undefined ? [] : [{ key, index }]));
  if (ruled.length === 0) return store.fingerprints(keys);
  const names = ruled.map(({ key }) => key);
  const [digests, expiries] = await Promise.all([
    store.texts(names, (text, key) => digest('string', neutral(text, rules.of(key)))),
    store.expiries(names),
  ]);
  const known = new Map<number, KeyFingerprint>();
  for (const [position, { index }] of ruled.entries()) {
    const [content, expiresAt] = [digests[position], expiries[position]];
    if (content !== undefined && expiresAt !== undefined) {
      known.set(index, { type: 'string', expiresAt, digest: content });
    }
  }
  // What is no text, or has gone meanwhile, is read as other keys are.
  const others = await store.fingerprints(keys.filter((_, index) => !known.has(index)));
  let next = 0;
  return keys.map((_, index) => known.get(index) ?? others[next++]);
}

/** The value with the target's id in its field, spelled in one way, where it names one of the two tenants. */
function neutral(text: Buffer, rule: ValueRule | undefined): Buffer {
  if (rule === undefined) return text;
  const { path, source, target } = rule;
  const found = fieldToken(text, path);
  if (found.kind !== 'text' || (found.value !== source && found.value !== target)) return text;
  return withToken(text, found, tokenOf(target, false));
}
