import { randomUUID } from 'node:crypto';
import { DelegateBackoff, handleWhen, type RetryPolicy, retry } from 'cockatiel';
import type { Driver, Record as GraphRecord, Session } from 'neo4j-driver';
import { MigrateError } from '../../model/errors.ts';
import { type RetryRule, retryDelayMs } from '../retry-rule.ts';
import {
  graphError,
  isConnectionLost,
  isTimedOut,
  isTransient,
  isUnconfirmedCommit,
  reasonText,
} from './graph-error.ts';
import { goodbye, within } from './in-time.ts';
import { namePrefix, type Statement } from './statements.ts';

/** How to reach a graph store. */
export interface GraphSettings {
  /** `bolt://host:port`, `bolt+s://…` or `neo4j://…`, without credentials. */
  readonly url: string;
  /** Where it is connected to, where not at its own address: the URL of a tunnel's near end. */
  readonly through?: string | undefined;
  readonly username?: string;
  readonly password?: string;
  /** Name of the database; the server's default where absent. */
  readonly database?: string;
  /** Longest wait for a connection, in ms. */
  readonly connectTimeoutMs: number;
  /**
   * Longest time for one statement, in ms, after which the server rolls it back; its own limit where absent. A stream of
   * all nodes has no such limit: it waits for what is done with them.
   */
  readonly statementTimeoutMs?: number;
  /** How much longer a reply is waited for before the connection is taken as lost; 5 s where absent. */
  readonly graceMs?: number;
  /** The run for which is written: connections and transactions are named after it. */
  readonly runId?: string;
  /** Two repetitions, soon, where absent. */
  readonly retry?: RetryRule | undefined;
  /** Called before each repeated try. `reason` holds no content and no secret. */
  readonly onRetry?: (info: { attempt: number; delayMs: number; reason: string }) => void;
}

/** A row as the driver gives it; only the store's own files see it. */
export type Row = Pick<GraphRecord, 'get' | 'has'>;

interface Names {
  readonly agent: string;
  readonly clientName: string;
}

/** Rows that a stream hands over at once. */
const CHUNK = 1_000;
/** The server ends a statement a little after its limit (Neo4j looks every two seconds) and says so. */
const GRACE_MS = 5_000;
/** Idle connections older than this are tried before use: a tunnel may have dropped them in silence. */
const LIVENESS_CHECK_MS = 30_000;
const RETRY: RetryRule = { retries: 2, delayMs: 200, backoff: 2 };

/**
 * One driver with its retries. Every statement is a transaction of its own and, as auto-commit, costs a single round
 * trip. Whatever is thrown is a MigrateError.
 */
export class GraphConnection {
  /** The URL without credentials. */
  readonly address: string;
  /** The server's name for itself, such as `Neo4j/5.26.0`. */
  readonly agent: string;
  /** The run for which is written. */
  readonly runId: string | undefined;
  /** How these connections name themselves to the server, different from those of every other process. */
  readonly clientName: string;
  readonly #timeout: { readonly timeout?: number };
  readonly #graceMs: number;
  readonly #driver: Driver;
  readonly #database: string | undefined;
  readonly #retry: RetryPolicy;

  private constructor(driver: Driver, settings: GraphSettings, { agent, clientName }: Names) {
    this.#driver = driver;
    this.agent = agent;
    this.clientName = clientName;
    this.runId = settings.runId;
    this.#graceMs = settings.graceMs ?? GRACE_MS;
    this.#timeout = settings.statementTimeoutMs === undefined ? {} : { timeout: settings.statementTimeoutMs };
    this.address = addressOf(settings.url);
    this.#database = settings.database;
    const rule = settings.retry ?? RETRY;
    this.#retry = retry(handleWhen(isTransient), {
      maxAttempts: rule.retries,
      backoff: new DelegateBackoff(({ attempt }) => retryDelayMs(rule, attempt)),
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
    const clientName =
      settings.runId === undefined ? 'tenant-migrate' : `${namePrefix(settings.runId)}:${randomUUID()}`;
    const driver = neo4j.driver(settings.through ?? address, auth, {
      userAgent: clientName,
      useBigInt: true,
      telemetryDisabled: true,
      disableAutoCommitRetries: true,
      maxTransactionRetryTime: 0,
      connectionTimeout: settings.connectTimeoutMs,
      // Covers sign-in too: a server that accepts and then says nothing is given up as well.
      connectionAcquisitionTimeout: settings.connectTimeoutMs + 1_000,
      maxConnectionPoolSize: 16,
      connectionLivenessCheckTimeout: LIVENESS_CHECK_MS,
      // Of whole answers, which are read into memory anyway: the fewer pages the fewer round trips.
      fetchSize: 10_000,
    });
    try {
      const { agent } = await driver.getServerInfo(withDatabase(settings.database));
      return new GraphConnection(driver, settings, { agent: agent ?? '', clientName });
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
   * All rows of a writing statement. `unknown` is true where an answer was lost on the way, or told of a commit that a
   * replica did not confirm: an earlier try may have
   * taken effect, so that the rows of the last tell less than what was done.
   */
  async write<T>(statement: Statement, map: (row: Row) => T): Promise<{ rows: T[]; unknown: boolean }> {
    let unknown = false;
    const rows = await this.#guarded(() =>
      this.#retry.execute(async () => {
        try {
          return await this.#once('WRITE', statement, map);
        } catch (error) {
          unknown ||= isConnectionLost(error) || isUnconfirmedCommit(error);
          throw error;
        }
      }),
    );
    return { rows, unknown };
  }

  /** A writing statement that is sent once only: after a lost connection the caller looks before it sends again. */
  writeOnce<T>(statement: Statement, map: (row: Row) => T): Promise<T[]> {
    return this.#guarded(() => this.#once('WRITE', statement, map));
  }

  /** Runs a writing statement and rolls it back. */
  async rehearse(statement: Statement): Promise<void> {
    await this.#guarded(() =>
      this.#retry.execute(() =>
        this.#withSession('WRITE', async (session) => {
          const transaction = await session.beginTransaction(this.#timeout);
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
    const rows = session.run(statement.text, statement.parameters)[Symbol.asyncIterator]();
    let failure: unknown;
    let ended = false;
    try {
      let chunk: Row[] = [];
      for (;;) {
        const step = await this.#answered(rows.next());
        if (step.done === true) break;
        chunk.push(step.value);
        if (chunk.length === CHUNK) {
          yield chunk;
          chunk = [];
        }
      }
      ended = true;
      if (chunk.length > 0) yield chunk;
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      // Who takes no more leaves the rest at the server.
      if (!ended && failure === undefined) await goodbye(Promise.resolve(rows.return?.()));
      await goodbye(session.close(), failure);
    }
  }

  /**
   * The same, started again from its beginning where the connection breaks, tried again for each chunk; and with
   * `alsoTimedOut` where the server ends it after some rows: for rows that are fewer then, since they are moved meanwhile.
   */
  async *restartingStream(
    statement: Statement,
    pageSize: number,
    { alsoTimedOut = false } = {},
  ): AsyncGenerator<readonly Row[]> {
    let given = 0;
    let rows = this.stream(statement, pageSize);
    try {
      for (;;) {
        const step = await this.#guarded(() =>
          this.#retry.execute(({ attempt }) => {
            // A generator that has thrown is finished, and would look like an empty rest.
            if (attempt > 0) rows = this.stream(statement, pageSize);
            return rows.next();
          }),
        ).catch((error: unknown) => {
          if (!alsoTimedOut || given === 0 || !isTimedOut(error)) throw error;
          return undefined;
        });
        if (step === undefined) {
          given = 0;
          rows = this.stream(statement, pageSize);
          continue;
        }
        if (step.done === true) return;
        given += step.value.length;
        yield step.value;
      }
    } finally {
      await rows.return(undefined);
    }
  }

  /** Waits for nothing but a short goodbye: what is under way fails. */
  async close(): Promise<void> {
    await goodbye(this.#driver.close());
  }

  #once<T>(mode: 'READ' | 'WRITE', statement: Statement, map: (row: Row) => T): Promise<T[]> {
    return this.#withSession(mode, async (session) => {
      const { text, parameters, metadata } = statement;
      const config = { ...this.#timeout, ...(metadata === undefined ? {} : { metadata }) };
      const { records } = await session.run(text, parameters, config);
      return records.map(map);
    });
  }

  async #withSession<T>(mode: 'READ' | 'WRITE', use: (session: Session) => Promise<T>): Promise<T> {
    const session = this.#session(mode);
    let failure: unknown;
    try {
      return await this.#answered(use(session));
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      await goodbye(session.close(), failure);
    }
  }

  /** Rejects with NoAnswer where a reply does not come that the server's own time limit should have brought. */
  async #answered<T>(work: Promise<T>): Promise<T> {
    const { timeout } = this.#timeout;
    return timeout === undefined ? work : within(timeout + this.#graceMs, work);
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
