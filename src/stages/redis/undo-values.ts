import { type ByteString, fromJson, printable } from '../../model/byte-string.ts';
import { fieldToken, textHash } from '../../model/text-token.ts';
import type { RedisWriter } from '../../stores/redis/redis-store.ts';
import type { TokenReplacement } from '../../stores/redis/replace-tokens.ts';
import type { ApplyContext } from '../stage.ts';

/** Looks again at values that somebody wrote in between. */
const MOST_LOOKS = 5;

/** The token that a key's value gets back in its field, as long as that names the target. */
export interface OldToken {
  readonly key: ByteString;
  readonly path: readonly string[];
  readonly target: string;
  readonly token: string;
}

/**
 * Puts the old tokens back. All else of a value stays as it is now, and a value that names something else stays whole.
 * Nothing is lost by doing it twice. Returns the number of values that could not be set.
 */
export async function putTokensBack(items: readonly OldToken[], ctx: ApplyContext<RedisWriter>): Promise<number> {
  let open = items;
  let failed = 0;
  for (let look = 1; look <= MOST_LOOKS && open.length > 0; look += 1) {
    const edits = await editsOf(open, ctx);
    const outcomes = await ctx.store.replaceTokens(edits);
    for (const [index, outcome] of outcomes.entries()) {
      if (typeof outcome === 'string') continue;
      failed += 1;
      report(edits[index]?.key ?? '', outcome.failed, ctx);
    }
    const again = new Set(edits.filter((_, index) => outcomes[index] === 'changed').map(({ key }) => key));
    open = open.filter(({ key }) => again.has(key));
  }
  for (const { key } of open) report(key, 'it is written again and again, and still names the target', ctx);
  return failed + open.length;
}

async function editsOf(
  items: readonly OldToken[],
  ctx: ApplyContext<RedisWriter>,
): Promise<readonly TokenReplacement[]> {
  const byKey = new Map(items.map((item) => [item.key, item]));
  const edits = await ctx.store.texts([...byKey.keys()], (text, key): TokenReplacement | undefined => {
    const item = byKey.get(key);
    const found = item === undefined ? undefined : fieldToken(text, item.path);
    if (item === undefined || found?.kind !== 'text' || found.value !== item.target) return undefined;
    const { start, end } = found;
    const [was, token] = [Buffer.from(text.subarray(start, end)), Buffer.from(item.token)];
    return was.equals(token) ? undefined : { key, hash: textHash(text), start, end, was, token };
  });
  return edits.filter((edit) => edit !== undefined);
}

function report(key: ByteString, reason: string, ctx: ApplyContext<RedisWriter>): void {
  ctx.emit({ type: 'record-failed', stage: 'redis', record: printable(key), reason });
}

/** Keys of an entry in the undo log with what each gets back. */
export function oldTokens(entry: {
  readonly keys: readonly unknown[];
  readonly tokens: readonly string[];
  readonly path: readonly string[];
  readonly target: string;
}): readonly OldToken[] {
  const { path, target } = entry;
  return entry.keys.map((key, index) => ({ key: fromJson(key), path, target, token: entry.tokens[index] ?? '' }));
}
