import { type ByteString, toArgument } from '../../model/byte-string.ts';
import { type Command, ConnectionLost, errorWord, isLost, isPassing, replyError } from './redis-connection.ts';
import type { RedisLink } from './redis-link.ts';
import { refusalError, requireValue, staysNotReady } from './redis-refusal.ts';

/** Of one batch of writes while the server is not ready. */
export const MOST_ATTEMPTS = 8;

/** A transaction that is not made where somebody else was faster. */
export interface Transaction {
  readonly watched: readonly ByteString[];
  /** Looks at the watched keys and says what to do. Called again after a lost connection. */
  choose(): Promise<readonly Command[]>;
  /** After a lost reply: whether what was chosen last has been done. */
  wasDone(): Promise<boolean>;
}

/**
 * WATCH, look, MULTI … EXEC on a connection that others use as well. Transactions wait for one another, since EXEC ends
 * the watches of all; pipelines of others may go between.
 */
export class Transactions {
  readonly #link: RedisLink;
  /** Of each connection: transactions on different masters do not wait for one another. */
  readonly #last = new Map<RedisLink, Promise<unknown>>();

  constructor(link: RedisLink) {
    this.#link = link;
  }

  /**
   * The replies to what was chosen; `done` where they were lost; `written` where somebody wrote one of the watched keys
   * meanwhile: then nothing was done.
   */
  async run(transaction: Transaction): Promise<readonly unknown[] | 'done' | 'written'> {
    for (let attempt = 1; ; attempt += 1) {
      const link = this.#linkOf(transaction);
      const outcome = await this.#inTurn(link, () => this.#try(transaction, link, attempt));
      if (outcome !== 'again') return outcome;
    }
  }

  /** A transaction is one master's: in a cluster its keys are in one slot, and it waits while that is on its way. */
  #linkOf({ watched }: Transaction): RedisLink {
    return this.#link.cluster?.masterOf(watched[0] ?? '') ?? this.#link;
  }

  /** Each attempt has its own turn: a slot may have come to another master, where others watch keys. */
  #inTurn<T>(link: RedisLink, work: () => Promise<T>): Promise<T> {
    const mine = (this.#last.get(link) ?? Promise.resolve()).then(work);
    this.#last.set(
      link,
      mine.catch(() => undefined),
    );
    return mine;
  }

  async #try(
    { watched, choose, wasDone }: Transaction,
    link: RedisLink,
    attempt: number,
  ): Promise<readonly unknown[] | 'done' | 'written' | 'again'> {
    let chosen: readonly Command[] = [];
    try {
      const watching = await watch(link, watched);
      chosen = watching === 'not ready' ? [] : await choose();
      const outcome = watching === 'not ready' ? watching : await execute(link, chosen, watching);
      if (outcome !== 'not ready') return outcome;
      if (attempt >= MOST_ATTEMPTS) throw staysNotReady(link.address);
      await link.pauseBeforeRetry(attempt, 'the server is not ready');
      await this.#link.cluster?.refresh();
    } catch (error) {
      if (!isLost(error)) throw error;
      await link.recover(attempt, error.message);
      if (chosen.length > 0 && (await wasDone())) return 'done';
    }
    return 'again';
  }
}

/** Number of the connection that watches the keys: with a connection its watches end. */
async function watch(link: RedisLink, keys: readonly ByteString[]): Promise<number | 'not ready'> {
  let connection = 0;
  const [reply] = await link.pipeline((pipeline) => {
    connection = link.connections;
    pipeline.call('WATCH', ...keys.map(toArgument));
  });
  if (reply !== undefined && passes(replyError(reply))) return 'not ready';
  requireValue(reply, link.address);
  return connection;
}

async function execute(
  link: RedisLink,
  commands: readonly Command[],
  connection: number,
): Promise<readonly unknown[] | 'written' | 'not ready'> {
  const replies = await link.pipeline((pipeline) => {
    // A new connection watches nothing: it would undo what was written meanwhile.
    if (connection !== link.connections) throw new ConnectionLost('a connection was lost');
    pipeline.call('MULTI');
    for (const [command, ...args] of commands) pipeline.call(command, ...args);
    // Sent without commands, too: it ends the watch.
    pipeline.call('EXEC');
  });
  const refusal = replies.map(replyError).find((error) => error !== '');
  // EXEC puts this before its own refusal.
  const error = refusal?.replace(/^EXECABORT .* because of: /, '');
  if (error !== undefined && passes(error)) return 'not ready';
  if (error !== undefined) throw refusalError(error, link.address);
  return (requireValue(replies.at(-1), link.address) as readonly unknown[] | null) ?? 'written';
}
/** True where the same transaction may succeed in a moment, at the same master or another. */
function passes(error: string): boolean {
  return isPassing(error) || ['MOVED', 'ASK'].includes(errorWord(error));
}
