import { createHash } from 'node:crypto';
import { type ByteString, toArgument } from '../../model/byte-string.ts';
import type { MigrateError } from '../../model/errors.ts';
import { textHash, withToken } from '../../model/text-token.ts';
import { errorWord, isLost, isPassing, replyError } from './redis-connection.ts';
import type { RedisLink } from './redis-link.ts';
import { isFatal, ranOutOfMemory, refusalError, staysNotReady } from './redis-refusal.ts';
import { MOST_ATTEMPTS, type Transactions } from './redis-transactions.ts';
import { readTexts } from './texts.ts';

/** Other bytes for a part of a string value, as long as the value is what it was. */
export interface TokenReplacement {
  readonly key: ByteString;
  /** `textHash` of the whole value, as it was read. */
  readonly hash: string;
  /** The part, in bytes, and what it is. */
  readonly start: number;
  readonly end: number;
  readonly was: Buffer;
  readonly token: Buffer;
}

/** `changed`: the value is no longer what it was, or has gone, and nothing was written; or the server's refusal. */
export type ReplaceOutcome = 'done' | 'changed' | { readonly failed: string };

/**
 * Compares and sets on the server. Only a hash of the old value is sent, and the new part: over a slow link the value
 * itself would be sent twice. That the old part stands there is compared byte by byte.
 */
const SCRIPT = `local value = redis.call('GET', KEYS[1])
local from, to = tonumber(ARGV[2]), tonumber(ARGV[3])
if not value or redis.sha1hex(value) ~= ARGV[1] or string.sub(value, from, to) ~= ARGV[4] then return 0 end
redis.call('SET', KEYS[1], string.sub(value, 1, from - 1) .. ARGV[5] .. string.sub(value, to + 1), 'KEEPTTL')
return 1`;
/**
 * Where the server has no memory left: it takes the place of a value of about the same size. Flags came with Redis 7.0;
 * a script that has them is judged otherwise on a cluster and on replicas, so it is not the first choice.
 */
const FULL_SCRIPT = `#!lua flags=allow-oom\n${SCRIPT}`;

const FULL = "OOM command not allowed when used memory > 'maxmemory'.";

/** Keys of one transaction. */
const MOST_WATCHED = 50;

/** Replaces parts of values with a script, or where scripts are forbidden in transactions, which take more round trips. */
export class TokenReplacer {
  readonly #connection: RedisLink;
  readonly #transactions: Transactions;
  /** Undefined where this user may run none. */
  #script: string | undefined = SCRIPT;
  /** Once the server ran out of memory nothing is sent to it any more. */
  #starved: Promise<MigrateError> | undefined;

  constructor(connection: RedisLink, transactions: Transactions) {
    this.#connection = connection;
    this.#transactions = transactions;
  }

  /** One outcome for each, in order. Sent again after a loss: what was done before is then `changed`. */
  async replace(items: readonly TokenReplacement[]): Promise<readonly ReplaceOutcome[]> {
    const outcomes = new Map<TokenReplacement, ReplaceOutcome>();
    if (this.#starved !== undefined) throw await this.#starved;
    if (this.#script !== undefined) await this.#byScript(items, outcomes);
    const open = items.filter((item) => !outcomes.has(item));
    // In a cluster the keys of a transaction are in one slot.
    const most = this.#connection.cluster === undefined ? MOST_WATCHED : 1;
    for (let start = 0; start < open.length; start += most) {
      await this.#byTransaction(open.slice(start, start + most), outcomes);
    }
    return items.map((item) => outcomes.get(item) ?? 'changed');
  }

  /** Leaves open what a server answers that lets this user run no script. */
  async #byScript(items: readonly TokenReplacement[], outcomes: Map<TokenReplacement, ReplaceOutcome>): Promise<void> {
    for (let attempt = 1; this.#script !== undefined; attempt += 1) {
      const open = items.filter((item) => !outcomes.has(item));
      if (open.length === 0) return;
      if (attempt > MOST_ATTEMPTS) throw staysNotReady(this.#connection.address);
      try {
        const ready = await this.#callScript(this.#script, open, outcomes);
        if (!ready) await this.#connection.pauseBeforeRetry(attempt, 'the server is not ready');
      } catch (error) {
        if (!isLost(error)) throw error;
        await this.#connection.recover(attempt, error.message);
      }
    }
  }

  /** False where the server was not ready for some of them. */
  async #callScript(
    script: string,
    open: readonly TokenReplacement[],
    outcomes: Map<TokenReplacement, ReplaceOutcome>,
  ): Promise<boolean> {
    const name = createHash('sha1').update(script).digest('hex');
    const replies = await this.#connection.pipeline((pipeline) => {
      for (const [index, { key, hash, start, end, was, token }] of open.entries()) {
        // Lua counts from 1, the end included.
        const args = ['1', toArgument(key), hash, String(start + 1), String(end), was, token] as const;
        // The first call brings the script, for the others its name is enough: on one server, not on many masters.
        if (index === 0 || this.#connection.cluster !== undefined) pipeline.call('EVAL', script, ...args);
        else pipeline.call('EVALSHA', name, ...args);
      }
    });
    await this.#refuseStarved(replies.map(replyError), open);
    let ready = true;
    for (const [index, item] of open.entries()) {
      const reply = replies[index];
      const error = reply === undefined ? 'no reply' : replyError(reply);
      if (reply !== undefined && 'value' in reply) outcomes.set(item, reply.value === 1 ? 'done' : 'changed');
      // The server may forget a script between two calls.
      else if (isPassing(error) || errorWord(error) === 'NOSCRIPT') ready = false;
      else this.#refusedScript(error, item, outcomes);
    }
    return ready;
  }

  /** Tries another way next, or takes the refusal as the outcome. */
  #refusedScript(error: string, item: TokenReplacement, outcomes: Map<TokenReplacement, ReplaceOutcome>): void {
    if (isForbidden(error)) this.#script = undefined;
    else if (errorWord(error) === 'OOM' && this.#script === SCRIPT) this.#script = FULL_SCRIPT;
    else if (this.#script === SCRIPT) outcomes.set(item, this.#refused(error));
    else if (errorWord(error) !== 'OOM') {
      // An older server takes flags for a mistake.
      this.#script = SCRIPT;
      throw refusalError(FULL, this.#connection.address);
    }
  }

  async #byTransaction(
    items: readonly TokenReplacement[],
    outcomes: Map<TokenReplacement, ReplaceOutcome>,
  ): Promise<void> {
    let unchanged: readonly TokenReplacement[] = [];
    const keys = items.map(({ key }) => key);
    const replies = await this.#transactions.run({
      watched: keys,
      choose: async () => {
        const now = await readTexts(this.#connection, keys, (text) => text);
        const found = items.flatMap((item, index) => {
          const text = now[index];
          return text !== undefined && textHash(text) === item.hash ? [{ item, text }] : [];
        });
        unchanged = found.map(({ item }) => item);
        return found.map(({ item, text }) => [
          'SET',
          toArgument(item.key),
          withToken(text, item, item.token),
          'KEEPTTL',
        ]);
      },
      // What was done, and what somebody wrote since, is `changed` when it is tried again.
      wasDone: async () => false,
    });
    if (replies === 'written' && items.length > 1) {
      // One at a time, so that only what is being written stays.
      for (const item of items) await this.#byTransaction([item], outcomes);
      return;
    }
    for (const item of items) outcomes.set(item, 'changed');
    if (replies === 'written' || replies === 'done') return;
    await this.#refuseStarved(
      replies.map((reply) => (reply instanceof Error ? reply.message : '')),
      unchanged,
    );
    for (const [index, item] of unchanged.entries()) {
      const reply = replies[index];
      outcomes.set(item, reply instanceof Error ? this.#refused(reply.message) : 'done');
    }
  }

  /** What was under way is looked at: whether its keys are still there. */
  async #refuseStarved(errors: readonly string[], items: readonly TokenReplacement[]): Promise<void> {
    const error = errors.find(ranOutOfMemory);
    if (error === undefined) return;
    this.#starved ??= this.#starvedError(error, items);
    throw await this.#starved;
  }

  async #starvedError(error: string, items: readonly TokenReplacement[]): Promise<MigrateError> {
    const replies = await this.#connection.read((pipeline) => {
      for (const { key } of items) pipeline.call('EXISTS', toArgument(key));
    });
    const gone = replies.filter((reply) => 'value' in reply && reply.value === 0).length;
    const looked = `${items.length} values were being rewritten, ${gone === 0 ? 'none' : gone} of them is gone`;
    return refusalError(`${error} (${looked})`, this.#connection.address);
  }

  #refused(error: string): ReplaceOutcome {
    if (!isFatal(error)) return { failed: error };
    throw refusalError(error, this.#connection.address);
  }
}

/** Whether this user may run no script (or none that uses these commands), or the server knows none. */
function isForbidden(error: string): boolean {
  return errorWord(error) === 'NOPERM' || /unknown command|user executing the script can't/i.test(error);
}
