import type { ByteString } from '../../model/byte-string.ts';
import { fieldToken } from '../../model/text-token.ts';
import type { RedisReader } from '../../stores/redis/redis-store.ts';
import type { UnlinkEntry } from './undo-entry.ts';
import type { ValueRules } from './value-rules.ts';

/** By key, where its value names a tenant and the token that does; only of keys with such a value. */
export async function namedIn(
  keys: readonly ByteString[],
  store: RedisReader,
  rules: ValueRules,
): Promise<ReadonlyMap<ByteString, NonNullable<UnlinkEntry['named']>>> {
  const ruled = keys.filter((key) => rules.of(key) !== undefined);
  const named = new Map<ByteString, NonNullable<UnlinkEntry['named']>>();
  await store.texts(ruled, (text, key) => {
    const rule = rules.of(key);
    const found = rule === undefined ? undefined : fieldToken(text, rule.path);
    if (rule === undefined || found?.kind !== 'text') return;
    const token = text.toString('utf8', found.start, found.end);
    named.set(key, { path: rule.path, token, target: rule.target });
  });
  return named;
}
