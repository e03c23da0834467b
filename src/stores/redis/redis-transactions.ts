import { type ByteString, toArgument } from '../../model/byte-string.ts';
import {
  type Command,
  ConnectionLost,
  isLost,
  isPassing,
  type RedisConnection,
  replyError,
} from './redis-connection.ts';
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
  readonly #connection: RedisConnection;
  #last: Promise<unknown> = Promise.resolve();

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  /**
   * The replies to what was chosen; `done` where they were lost; `written` where somebody wrote one of the watched keys
   * meanwhile: then nothing was done.
   */
  run(transaction: Transaction): Promise<readonly unknown[] | 'done' | 'written'> {
    const mine = this.#last.then(() => this.#run(transaction));
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  async #run({ watched, choose, wasDone }: Transaction): Promise<readonly unknown[] | 'done' | 'written'> {
    for (let attempt = 1; ; attempt += 1) {
      let chosen: readonly Command[] = [];
      try {
        const watching = await this.#watch(watched);
        chosen = watching === 'not ready' ? [] : await choose();
        const outcome = watching === 'not ready' ? watching : await this.#execute(chosen, watching);
        if (outcome !== 'not ready') return outcome;
        if (attempt >= MOST_ATTEMPTS) throw staysNotReady(this.#connection.address);
        await this.#connection.pauseBeforeRetry(attempt, 'the server is not ready');
      } catch (error) {
        if (!isLost(error)) throw error;
        await this.#connection.recover(attempt, error.message);
        if (chosen.length > 0 && (await wasDone())) return 'done';
      }
    }
  }

  /** Number of the connection that watches the keys: with a connection its watches end. */
  async #watch(keys: readonly ByteString[]): Promise<number | 'not ready'> {
    let connection = 0;
    const [reply] = await this.#connection.pipeline((pipeline) => {
      connection = this.#connection.connections;
      pipeline.call('WATCH', ...keys.map(toArgument));
    });
    if (reply !== undefined && isPassing(replyError(reply))) return 'not ready';
    requireValue(reply, this.#connection.address);
    return connection;
  }

  async #execute(
    commands: readonly Command[],
    connection: number,
  ): Promise<readonly unknown[] | 'written' | 'not ready'> {
    const replies = await this.#connection.pipeline((pipeline) => {
      // A new connection watches nothing: it would undo what was written meanwhile.
      if (connection !== this.#connection.connections) throw new ConnectionLost('a connection was lost');
      pipeline.call('MULTI');
      for (const [command, ...args] of commands) pipeline.call(command, ...args);
      // Sent without commands, too: it ends the watch.
      pipeline.call('EXEC');
    });
    const refusal = replies.map(replyError).find((error) => error !== '');
    // EXEC puts this before its own refusal.
    const error = refusal?.replace(/^EXECABORT .* because of: /, '');
    if (error !== undefined && isPassing(error)) return 'not ready';
    if (error !== undefined) throw refusalError(error, this.#connection.address);
    return (requireValue(replies.at(-1), this.#connection.address) as readonly unknown[] | null) ?? 'written';
  }
}
