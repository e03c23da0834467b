import pMap from 'p-map';
import { type ByteString, toArgument } from '../../model/byte-string.ts';
import { MigrateError } from '../../model/errors.ts';
import { type Command, errorWord, isLost, isPassing, replyError } from './redis-connection.ts';
import { endNamesakes } from './redis-namesakes.ts';
import { RedisReads } from './redis-reads.ts';
import { isFatal, ranOutOfMemory, refusalError, staysNotReady } from './redis-refusal.ts';
import type { DumpedKey, PutBack, RedisWriter, RenameOutcome, RenamePair, SeenKey } from './redis-store.ts';
import { MOST_ATTEMPTS, Transactions } from './redis-transactions.ts';
import { removedByScript, removingScript } from './remove-script.ts';
import { type ReplaceOutcome, type TokenReplacement, TokenReplacer } from './replace-tokens.ts';

/** Times that a rename is tried while its slot is on its way. */
const UNSTABLE_TRIES = 3;
/** A larger value would hold the server up while a script reads it. */
const LARGEST_FOR_SCRIPT = 1 << 20;
const REMOVED_AT_ONCE = 4;

/** The writing half of the store: see the interface. */
export class RedisWrites extends RedisReads implements RedisWriter {
  readonly #transactions = new Transactions(this.connection);
  /** False once the server refused a script. */
  #scripts = true;
  readonly #replacer = new TokenReplacer(this.connection, this.#transactions);

  async rename(pairs: readonly RenamePair[]): Promise<readonly RenameOutcome[]> {
    const outcomes: (RenameOutcome | undefined)[] = pairs.map(() => undefined);
    for (let attempt = 1; ; attempt += 1) {
      const open = pairs.map((pair, index) => ({ pair, index })).filter(({ index }) => outcomes[index] === undefined);
      try {
        await this.#renameOpen(open, outcomes, attempt);
        if (outcomes.some(isStarved)) return await this.#lookedAt(pairs, outcomes);
        if (!outcomes.includes(undefined)) return outcomes as RenameOutcome[];
        await this.connection.pauseBeforeRetry(attempt, 'the server is not ready');
      } catch (error) {
        if (!isLost(error)) throw error;
        await this.connection.recover(attempt, error.message);
        await this.#resolveByLooking(open, outcomes);
        if (outcomes.some(isStarved)) return this.#lookedAt(pairs, outcomes);
      }
      if (attempt >= MOST_ATTEMPTS) throw staysNotReady(this.address);
    }
  }

  async #renameOpen(
    open: readonly { pair: RenamePair; index: number }[],
    outcomes: (RenameOutcome | undefined)[],
    attempt: number,
  ): Promise<void> {
    if (open.length === 0) return;
    const replies = await this.connection.pipeline((pipeline) => {
      // In small letters: the driver looks a command's name up again and again, and would convert it each time.
      for (const { pair } of open) pipeline.call('renamenx', toArgument(pair.from), toArgument(pair.to));
    });
    const missing: { pair: RenamePair; index: number }[] = [];
    for (const [position, item] of open.entries()) {
      const reply = replies[position];
      if (reply === undefined) continue;
      if ('value' in reply) outcomes[item.index] = reply.value === 1 ? 'moved' : 'occupied';
      else if (/no such key/i.test(reply.error)) missing.push(item);
      // Until it is looked for.
      else if (ranOutOfMemory(reply.error)) outcomes[item.index] = { failed: reply.error, outOfMemory: 'lost' };
      else if (errorWord(reply.error) === 'TRYAGAIN' && attempt >= UNSTABLE_TRIES) outcomes[item.index] = 'unstable';
      else if (!isPassing(reply.error)) outcomes[item.index] = this.#refusal(reply.error);
    }
    await this.#classifyMissing(missing, outcomes);
  }

  /** What was refused for want of memory, or not taken, has both its names looked at, and is never sent again. */
  async #lookedAt(
    pairs: readonly RenamePair[],
    outcomes: readonly (RenameOutcome | undefined)[],
  ): Promise<readonly RenameOutcome[]> {
    const there = await this.exist(pairs.flatMap(({ from, to }) => [from, to]));
    return outcomes.map((outcome, index) => {
      if (outcome !== undefined && !isStarved(outcome)) return outcome;
      const stands = there[2 * index] || there[2 * index + 1];
      return { failed: outcome?.failed ?? 'not renamed', outOfMemory: stands ? 'stands' : 'lost' };
    });
  }

  /** A source that was not there: moved before (a scan may return a key twice), or gone for good. */
  async #classifyMissing(
    missing: readonly { pair: RenamePair; index: number }[],
    outcomes: (RenameOutcome | undefined)[],
  ): Promise<void> {
    const there = await this.exist(missing.map(({ pair }) => pair.to));
    for (const [position, { index }] of missing.entries()) outcomes[index] = there[position] ? 'already' : 'vanished';
  }

  async #resolveByLooking(
    open: readonly { pair: RenamePair; index: number }[],
    outcomes: (RenameOutcome | undefined)[],
  ): Promise<void> {
    const unknown = open.filter(({ index }) => outcomes[index] === undefined);
    const sources = await this.exist(unknown.map(({ pair }) => pair.from));
    const targets = await this.exist(unknown.map(({ pair }) => pair.to));
    for (const [position, { index }] of unknown.entries()) {
      if (sources[position]) {
        // Still at the source: to be sent again, unless the target is taken.
        if (targets[position]) outcomes[index] = 'occupied';
      } else outcomes[index] = targets[position] ? 'moved' : 'vanished';
    }
  }

  #refusal(error: string): RenameOutcome {
    if (!isFatal(error)) return { failed: error };
    throw refusalError(error, this.address);
  }

  async unlinkUnwritten(
    keys: readonly ByteString[],
    choose: () => Promise<readonly ByteString[]>,
  ): Promise<number | 'written'> {
    let chosen: readonly ByteString[] = [];
    const replies = await this.#transactions.run({
      watched: keys,
      choose: async () => {
        chosen = await choose();
        return chosen.map((key): Command => ['UNLINK', toArgument(key)]);
      },
      // It removes all or none: where none is left, only its reply was lost.
      wasDone: async () => !(await this.exist(chosen)).includes(true),
    });
    if (replies === 'written') return replies;
    return replies === 'done' ? chosen.length : this.#accepted(replies).filter((reply) => reply === 1).length;
  }

  async unlinkStill(items: readonly SeenKey[]): Promise<readonly ('removed' | 'written')[]> {
    const small = items.filter(({ seen }) => seen.payload.length <= LARGEST_FOR_SCRIPT);
    const byScript = this.#scripts && this.exactExpiry ? await this.#unlinkByScript(small) : undefined;
    const one = async (item: SeenKey) => byScript?.get(item.key) ?? this.#unlinkOne(item);
    return pMap(items, one, { concurrency: REMOVED_AT_ONCE });
  }

  /** Undefined where this user may run no scripts. */
  async #unlinkByScript(
    items: readonly SeenKey[],
  ): Promise<ReadonlyMap<ByteString, 'removed' | 'written'> | undefined> {
    try {
      // May be sent again after a loss: what is gone counts as removed.
      const replies = await this.#writeOnce(items.map(removingScript));
      return new Map(items.map(({ key }, index) => [key, removedByScript(replies[index]) ? 'removed' : 'written']));
    } catch (error) {
      if (!(error instanceof MigrateError) || !/NOPERM|unknown command|script/i.test(error.message)) throw error;
      this.#scripts = false;
      return undefined;
    }
  }

  async #unlinkOne({ key, seen }: SeenKey): Promise<'removed' | 'written'> {
    let other = false;
    const removed = await this.unlinkUnwritten([key], async () => {
      const [now] = await this.dumps([key]);
      other =
        now !== undefined && !(now.payload.equals(seen.payload) && this.sameExpiry(now.expiresAt, seen.expiresAt));
      return now === undefined || other ? [] : [key];
    });
    return removed === 'written' || other ? 'written' : 'removed';
  }

  async replaceUnwritten(key: ByteString, by: DumpedKey, stillSo: () => Promise<boolean>): Promise<boolean> {
    let agreed = true;
    const replies = await this.#transactions.run({
      watched: [key],
      choose: async () => {
        agreed = await stillSo();
        return agreed ? [[...restoring(key, by), 'REPLACE']] : [];
      },
      // Made once more it is the same.
      wasDone: () => Promise.resolve(false),
    });
    if (replies === 'written' || !agreed) return false;
    if (replies !== 'done') this.#accepted(replies);
    return true;
  }

  async overwriteUnwritten(
    pairs: readonly RenamePair[],
    choose: () => Promise<readonly RenamePair[]>,
    wasDone: () => Promise<boolean>,
  ): Promise<number | 'written'> {
    let chosen: readonly RenamePair[] = [];
    const replies = await this.#transactions.run({
      watched: pairs.flatMap(({ from, to }) => [from, to]),
      choose: async () => {
        chosen = await choose();
        return chosen.map(({ from, to }): Command => ['RENAME', toArgument(from), toArgument(to)]);
      },
      wasDone,
    });
    if (replies === 'written') return replies;
    // What has expired since it was looked at is not renamed, and its target stays.
    if (replies === 'done') return chosen.length;
    await this.#refuseStarved(replies, chosen);
    return this.#accepted(replies, /no such key/i).filter(isOk).length;
  }

  async putBackUnwritten({ from, to, dumped }: PutBack, stillSo: () => Promise<boolean>): Promise<'done' | 'written'> {
    const commands: Command[] = [['RENAMENX', toArgument(from), toArgument(to)]];
    if (dumped !== undefined) commands.push(restoring(from, dumped));
    let agreed = true;
    const replies = await this.#transactions.run({
      watched: [from, to],
      choose: async () => {
        agreed = await stillSo();
        return agreed ? commands : [];
      },
      wasDone: async () => (await this.exist([to])).includes(true) && !(await stillSo()),
    });
    if (replies === 'written' || !agreed) return 'written';
    if (replies === 'done') return replies;
    await this.#refuseStarved(replies, [{ from, to }]);
    this.#accepted(replies);
    return 'done';
  }

  /** A transaction that ran out of memory has renamed some keys, and may have lost others. */
  async #refuseStarved(replies: readonly unknown[], pairs: readonly RenamePair[]): Promise<void> {
    const failed = replies.find((reply) => reply instanceof Error && ranOutOfMemory(reply.message));
    if (!(failed instanceof Error)) return;
    const looked = await this.#lookedAt(
      pairs,
      pairs.map(() => undefined),
    );
    const lost = looked.filter((outcome) => typeof outcome === 'object' && outcome.outOfMemory === 'lost').length;
    throw refusalError(`${failed.message}: ${lost} of ${pairs.length} keys are lost`, this.address);
  }

  replaceTokens(items: readonly TokenReplacement[]): Promise<readonly ReplaceOutcome[]> {
    return this.#replacer.replace(items);
  }

  async refusedSet(absent: ByteString): Promise<string | undefined> {
    const [reply] = await this.connection.read((pipeline) => {
      pipeline.call('SET', toArgument(absent), '', 'XX', 'KEEPTTL');
    });
    const error = reply === undefined ? '' : replyError(reply);
    return errorWord(error) === 'NOPERM' || /unknown command|syntax/i.test(error) ? error : undefined;
  }

  async refusedRestore(key: ByteString): Promise<string | undefined> {
    const [reply] = await this.connection.read((pipeline) => {
      pipeline.call('RESTORE', toArgument(key), '0', '');
    });
    const error = reply === undefined ? '' : replyError(reply);
    return errorWord(error) === 'NOPERM' || /unknown command/i.test(error) ? error : undefined;
  }

  async endNamesakes(): Promise<boolean> {
    await this.connection.cluster?.refresh();
    const links = this.connection.cluster?.masters() ?? [this.connection];
    return (await Promise.all(links.map(endNamesakes))).every((ended) => ended);
  }

  /** A transaction's replies, of which none may be a refusal but for one of this kind. */
  #accepted(replies: readonly unknown[], but = /^$/): readonly unknown[] {
    const failed = replies.find((reply) => reply instanceof Error && !but.test(reply.message));
    if (failed instanceof Error) throw refusalError(failed.message, this.address);
    return replies;
  }

  async copy(pairs: readonly RenamePair[]): Promise<readonly boolean[]> {
    // While its slot is on its way a cluster takes no command with two keys.
    const together = this.cluster ? [] : pairs;
    const commands = together.map(({ from, to }): Command => ['COPY', toArgument(from), toArgument(to)]);
    // COPY came with Redis 6.2, and a module's type may leave it out.
    const replies = await this.#writeOnce(commands, /unknown command|not supported for this module/i);
    const refused = together.filter((_, index) => replies[index] === REFUSED);
    const byDump = this.cluster ? pairs : refused;
    const dumped = await this.#copyByDump(byDump);
    const made = new Set<RenamePair>(together.filter((_, index) => replies[index] === 1));
    for (const [index, pair] of byDump.entries()) if (dumped[index]) made.add(pair);
    return pairs.map((pair) => made.has(pair));
  }

  async #copyByDump(pairs: readonly RenamePair[]): Promise<readonly boolean[]> {
    if (pairs.length === 0) return [];
    const dumps = await this.dumps(pairs.map(({ from }) => from));
    const items = pairs.flatMap(({ to }, index) => {
      const dumped = dumps[index];
      return dumped === undefined ? [] : [{ key: to, dumped }];
    });
    const made = (await this.restoreAll(items)).values();
    return dumps.map((dumped) => dumped !== undefined && made.next().value === true);
  }

  async restore(key: ByteString, dumped: DumpedKey): Promise<boolean> {
    return (await this.restoreAll([{ key, dumped }]))[0] === true;
  }

  async restoreAll(
    items: readonly { readonly key: ByteString; readonly dumped: DumpedKey }[],
  ): Promise<readonly boolean[]> {
    const commands = items.map(({ key, dumped }) => restoring(key, dumped));
    return (await this.#writeOnce(commands)).map((reply) => reply === 'OK');
  }

  /**
   * Writes that may be sent again after a loss, since each takes effect once (COPY, RESTORE without REPLACE). A refusal
   * of the kind `but` stands in the result as {@link REFUSED}.
   */
  async #writeOnce(commands: readonly Command[], but = /^$/): Promise<readonly unknown[]> {
    if (commands.length === 0) return [];
    for (let attempt = 1; ; attempt += 1) {
      try {
        const replies = await this.connection.pipeline((pipeline) => {
          for (const [command, ...args] of commands) pipeline.call(command, ...args);
        });
        if (!replies.some((reply) => isPassing(replyError(reply)))) {
          return replies.map((reply) => {
            if ('error' in reply && errorWord(reply.error) === 'BUSYKEY') return 0;
            return 'error' in reply && but.test(reply.error) ? REFUSED : this.value(reply);
          });
        }
        if (attempt >= MOST_ATTEMPTS) throw staysNotReady(this.address);
        await this.connection.pauseBeforeRetry(attempt, 'the server is not ready');
      } catch (error) {
        if (!isLost(error)) throw error;
        await this.connection.recover(attempt, error.message);
      }
    }
  }
}

function restoring(key: ByteString, { payload, expiresAt }: DumpedKey): Command {
  return ['RESTORE', toArgument(key), expiresAt < 0 ? '0' : String(expiresAt), payload, 'ABSTTL'];
}

/** Stands for a reply that refuses in a way that is provided for. */
const REFUSED = Symbol('refused');

function isStarved(outcome: RenameOutcome | undefined): outcome is RenameOutcome & { readonly failed: string } {
  return typeof outcome === 'object' && outcome.outOfMemory !== undefined;
}

const isOk = (reply: unknown): boolean => reply === 'OK';
