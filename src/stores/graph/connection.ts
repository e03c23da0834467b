import { ExponentialBackoff, handleWhen, type RetryPolicy, retry } from 'cockatiel';
import type { Driver, Record as GraphRecord, Session } from 'neo4j-driver';
import { MigrateError } from '../../model/errors.ts';
import { graphError, isConnectionLost, isTransient, reasonText } from './graph-error.ts';
import type { Statement } from './statements.ts';

/** How to reach a graph store. */
export interface GraphSettings {
  /** `bolt://host:port`, `bolt+s://…` or `neo4j://…`, without credentials. */
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  /** Name of the database; the server's default where absent. */
  readonly database?: string;
  /** Longest wait for a connection, in ms. */
  readonly connectTimeoutMs: number;
  /** Called before each repeated try. `reason` holds no content and no secret. */
  readonly onRetry?: (info: { attempt: number; delayMs: number; reason: string }) => void;
}

/** A row as the driver gives it; only the store's own files see it. */
export type Row = Pick<GraphRecord, 'get'>;

/** Rows that a stream hands over at once. */
const CHUNK = 1_000;
/** Two repeats after the first try. */
const REPEATS = 2;

/**
 * One driver with its retries. Every statement is a transaction of its own and, as auto-commit, costs a single round
 * trip. Whatever is thrown is a MigrateError.
 */
export class GraphConnection {
  /** The URL without credentials. */
  readonly address: string;
  /** The server's name for itself, such as `Neo4j/5.26.0`. */
  readonly agent: string;
  readonly #driver: Driver;
  readonly #database: string | undefined;
  readonly #retry: RetryPolicy;

  private constructor(driver: Driver, agent: string, settings: GraphSettings) {
    this.#driver = driver;
    this.agent = agent;
    this.address = addressOf(settings.url);
    this.#database = settings.database;
    this.#retry = retry(handleWhen(isTransient), {
      maxAttempts: REPEATS,
      backoff: new ExponentialBackoff({ initialDelay: 200, maxDelay: 3_000 }),
    });
    this.#retry.onRetry(({ attempt, delay, ...failure }) => {
      const reason = 'error' in failure ? reasonText(failure.error) : 'unknown error';
      settings.onRetry?.({ attempt, delayMs: Math.round(delay), reason });
    });
  }

  /** Connects and signs in once, without retries, so that a wrong address is told within `connectTimeoutMs`. */
  static async open(settings: GraphSettings): Promise<GraphConnection> {
    const address = addressOf(settings.url);
    const { default: neo4j } = await import('neo4j-driver');
    // Memgraph without users takes empty credentials, but not the scheme `none`.
    const auth = neo4j.auth.basic(settings.username ?? '', settings.password ?? '');
    const driver = neo4j.driver(address, auth, {
      useBigInt: true,
      telemetryDisabled: true,
      disableAutoCommitRetries: true,
      maxTransactionRetryTime: 0,
      connectionTimeout: settings.connectTimeoutMs,
      // Covers sign-in too: a server that accepts and then says nothing is given up as well.
      connectionAcquisitionTimeout: settings.connectTimeoutMs + 1_000,
      maxConnectionPoolSize: 16,
      // Of whole answers, which are read into memory anyway: the fewer pages the fewer round trips.
      fetchSize: 10_000,
    });
    try {
      const { agent } = await driver.getServerInfo(withDatabase(settings.database));
      return new GraphConnection(driver, agent ?? '', settings);
    } catch (error) {
      await driver.close();
      throw graphError(error, address);
    }
  }

  /** All rows of a statement that the server is told only reads: Neo4j refuses any write in it. */
  async read<T>(statement: Statement, map: (row: Row) => T): Promise<T[]> {
    return this.#guarded(() => this.#retry.execute(() => this.#once('READ', statement, map)));
  }

  /**
   * All rows of a writing statement. `unknown` is true where a connection was lost on the way: an earlier try may have
   * taken effect, so that the rows of the last tell less than what was done.
   */
  async write<T>(statement: Statement, map: (row: Row) => T): Promise<{ rows: T[]; unknown: boolean }> {
    let unknown = false;
    const rows = await this.#guarded(() =>
      this.#retry.execute(async () => {
        try {
          return await this.#once('WRITE', statement, map);
        } catch (error) {
          unknown ||= isConnectionLost(error);
          throw error;
        }
      }),
    );
    return { rows, unknown };
  }

  /** Runs a writing statement and rolls it back. */
  async rehearse(statement: Statement): Promise<void> {
    await this.#guarded(() =>
      this.#retry.execute(() =>
        this.#withSession('WRITE', async (session) => {
          const transaction = await session.beginTransaction();
          await transaction.run(statement.text, statement.parameters);
          await transaction.rollback();
        }),
      ),
    );
  }

  /** Runs a whole reading step again from its start where it fails for a passing reason. */
  again<T>(step: () => Promise<T>): Promise<T> {
    return this.#guarded(() => this.#retry.execute(step));
  }

  /**
   * Rows in chunks, with at most about two pages of `pageSize` rows in memory however slowly they are taken. Not
   * retried; wrap it in {@link again}, or use {@link restartingStream} where a row may come twice.
   * Throws what the driver throws.
   */
  async *stream(statement: Statement, pageSize: number): AsyncGenerator<readonly Row[]> {
    const session = this.#session('READ', pageSize);
    try {
      let chunk: Row[] = [];
      for await (const row of session.run(statement.text, statement.parameters)) {
        chunk.push(row);
        if (chunk.length === CHUNK) {
          yield chunk;
          chunk = [];
        }
      }
      if (chunk.length > 0) yield chunk;
    } finally {
      await session.close();
    }
  }

  /** The same, started again from its beginning where the connection breaks. Three tries for each chunk. */
  async *restartingStream(statement: Statement, pageSize: number): AsyncGenerator<readonly Row[]> {
    let rows = this.stream(statement, pageSize);
    try {
      for (;;) {
        const step = await this.#guarded(() =>
          this.#retry.execute(({ attempt }) => {
            // A generator that has thrown is finished, and would look like an empty rest.
            if (attempt > 0) rows = this.stream(statement, pageSize);
            return rows.next();
          }),
        );
        if (step.done === true) return;
        yield step.value;
      }
    } finally {
      await rows.return(undefined);
    }
  }

  /** Waits for nothing: what is under way fails. */
  async close(): Promise<void> {
    await this.#driver.close();
  }

  #once<T>(mode: 'READ' | 'WRITE', statement: Statement, map: (row: Row) => T): Promise<T[]> {
    return this.#withSession(mode, async (session) => {
      const { text, parameters, metadata } = statement;
      const { records } = await session.run(text, parameters, metadata === undefined ? {} : { metadata });
      return records.map(map);
    });
  }

  async #withSession<T>(mode: 'READ' | 'WRITE', use: (session: Session) => Promise<T>): Promise<T> {
    const session = this.#session(mode);
    try {
      return await use(session);
    } finally {
      await session.close();
    }
  }

  #session(mode: 'READ' | 'WRITE', pageSize?: number): Session {
    return this.#driver.session({
      defaultAccessMode: mode,
      ...withDatabase(this.#database),
      ...(pageSize === undefined ? {} : { fetchSize: pageSize }),
    });
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw graphError(error, this.address);
    }
  }
}

const withDatabase = (database: string | undefined): { database?: string } =>
  database === undefined ? {} : { database };

const SCHEMES = /^(bolt|neo4j)(\+s|\+ssc)?:$/;

/** The URL with its credentials taken out, as it may be shown. */
function addressOf(url: string): string {
  const { protocol, host } = URL.canParse(url) ? new URL(url) : { protocol: '', host: '' };
  if (SCHEMES.test(protocol) && host !== '') return `${protocol}//${host}`;
  const next = 'write it as bolt://host:port (or bolt+s://, neo4j://), without user name and password';
  throw new MigrateError('settings', 'the graph URL is not one of a Bolt server', { stage: 'graph', next });
}
