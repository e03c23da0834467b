import { type ByteString, printable, toJson } from '../../model/byte-string.ts';
import { fieldToken, textHash, tokenOf } from '../../model/text-token.ts';
import type { RedisWriter } from '../../stores/redis/redis-store.ts';
import type { TokenReplacement } from '../../stores/redis/replace-tokens.ts';
import type { ApplyContext, Checkpoint } from '../stage.ts';
import type { ValuesEntry } from './undo-entry.ts';
import type { ValueRule } from './value-rules.ts';

/** Looks again at values that somebody wrote in between. */
const MOST_LOOKS = 5;

/** A key under the target's name. */
export interface RuledKey {
  readonly key: ByteString;
  readonly rule: ValueRule;
}

/**
 * Gives the field that names the tenant the target's id, where it holds the source's: only that token's bytes change.
 * The old token is logged before. What somebody writes meanwhile stays, and is looked at again.
 */
export async function rewriteValues(
  keys: readonly RuledKey[],
  ctx: ApplyContext<RedisWriter>,
): Promise<readonly Checkpoint[]> {
  const checkpoints: Checkpoint[] = [];
  let open = keys;
  for (let look = 1; look <= MOST_LOOKS; look += 1) {
    const edits = await editsOf(open, ctx);
    if (edits.length === 0) return checkpoints;
    const batch = await ctx.undo.append(entriesOf(edits));
    const outcomes = await ctx.store.replaceTokens(edits);
    let failed = 0;
    for (const [index, outcome] of outcomes.entries()) {
      if (typeof outcome === 'string') continue;
      failed += 1;
      reportFailed(edits[index]?.key ?? '', outcome.failed, ctx);
    }
    checkpoints.push({ batch, moved: 0, failed });
    open = edits.filter((_, index) => outcomes[index] === 'changed');
  }
  for (const { key } of open) reportFailed(key, 'it is written again and again, and still names the source', ctx);
  return open.length === 0 ? checkpoints : [...checkpoints, { batch: 0, moved: 0, failed: open.length }];
}

type Edit = TokenReplacement & RuledKey;

async function editsOf(keys: readonly RuledKey[], ctx: ApplyContext<RedisWriter>): Promise<readonly Edit[]> {
  const rules = new Map(keys.map(({ key, rule }) => [key, rule]));
  const edits = await ctx.store.texts([...rules.keys()], (text, key): Edit | undefined => {
    const rule = rules.get(key);
    if (rule === undefined) return undefined;
    const found = fieldToken(text, rule.path);
    if (found.kind !== 'text' || found.value !== rule.source) return undefined;
    const { start, end, ascii } = found;
    // A copy: a part of the value would keep all of it in memory.
    const was = Buffer.from(text.subarray(start, end));
    return { key, rule, hash: textHash(text), start, end, was, token: tokenOf(rule.target, ascii) };
  });
  return edits.filter((edit) => edit !== undefined);
}

/** One entry for each rule: mostly one. */
function entriesOf(edits: readonly Edit[]): readonly ValuesEntry[] {
  return [...new Set(edits.map(({ rule }) => rule))].map((rule) => {
    const { source, target, path } = rule;
    const same = edits.filter((edit) => edit.rule === rule);
    const tokens = same.map(({ was }) => was.toString('utf8'));
    return { kind: 'values', source, target, path, keys: same.map(({ key }) => toJson(key)), tokens };
  });
}

function reportFailed(key: ByteString, reason: string, ctx: ApplyContext<RedisWriter>): void {
  ctx.emit({ type: 'record-failed', stage: 'redis', record: printable(key), reason });
}
