import { MigrateError } from '../../model/errors.ts';

/** The part of the driver's error that is looked at. */
interface DriverError {
  readonly code: string;
  readonly message: string;
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

const ADDRESS_FLAGS =
  'check --memgraph-host/--memgraph-port or --graph-url, or leave the graph out with --skip-graph (--skip-memgraph)';
const CREDENTIALS = 'set GRAPH_USERNAME and GRAPH_PASSWORD, or leave the graph out with --skip-graph';
const CONNECTION_LOST: readonly string[] = ['ServiceUnavailable', 'SessionExpired'];
/** Retrying would fill the server's memory again. */
const OUT_OF_MEMORY = /MemoryPoolOutOfMemory|TransactionOutOfMemory/;
/** Memgraph calls much transient that is not: what it means stands in the text alone (`src/query/exceptions.hpp`). */
const MEMGRAPH_OUT_OF_MEMORY = /memory limit exceeded|out of memory/i;
const MEMGRAPH_ENDED = /asked to abort (by another user|because of database shutdown|for an unknown reason)/i;
const MEMGRAPH_NO_DATABASE = /unknown database/i;
/** Behind the commit; of a STRICT_SYNC replica the text tells that the transaction is aborted on all instances. */
const MEMGRAPH_UNCONFIRMED = /at least one SYNC replica has not confirmed/i;
const MEMGRAPH_STRICT = /at least one STRICT_SYNC replica has not confirmed/i;
/** The driver's own text where a server picks none of the versions offered. */
const NO_COMMON_VERSION = /^Unknown Bolt protocol version: 0\.0/;
const TIMED_OUT = /TransactionTimedOut/;
const MEMGRAPH_TIMED_OUT = /executing longer than|transaction timeout/i;
/** The database starts, stops or was stopped by hand. */
const UNAVAILABLE = /DatabaseUnavailable|DatabaseNotAvailable/;
/** Ended at the server by hand, or since it shuts down: rolled back, and not to be repeated behind that back. */
const ENDED = /Transaction\.(Terminated|LockClientStopped|TransactionTerminated)$/;
const DENIED = /Security\.Forbidden|AccessMode|ReadOnly|NotALeader|Security\.TokenExpired/;
const UNAUTHORISED = /Security\.(Unauthorized|AuthenticationRateLimit|CredentialsExpired)/;
const QUOTABLE = /Statement\.SyntaxError|ClientError\.(Database|Procedure|Transaction)\.|^Memgraph\.ClientError/;
const MEMGRAPH_UNAUTHORISED = /authentication failure/i;
/** Access to the storage that is not got in time is `read only access`, too, and passes. */
const MEMGRAPH_DENIED = /not authorized|not having enough permission|forbidden on the (replica|main)|read.?only mode/i;

/** Nothing came back long after the server should have given up: to be taken as a lost connection. */
export class NoAnswer extends Error {
  readonly code = 'ServiceUnavailable';
  readonly retryable = true;

  constructor() {
    super('no answer in time');
  }
}

/** True where the connection broke, so that it is unknown whether the statement took effect. */
export function isConnectionLost(error: unknown): boolean {
  if (isTornHandshake(error)) return true;
  return isDriverError(error) && (CONNECTION_LOST.includes(error.code) || isCutHandshake(error));
}

/** True where the same statement may succeed in a moment: deadlocks, conflicts, elections, lost connections. */
export function isTransient(error: unknown): boolean {
  if (isTornHandshake(error)) return true;
  if (!isDriverError(error)) return false;
  if (isTimeOut(error) || isOutOfMemory(error) || isEnded(error) || isNoDatabase(error)) return false;
  if (isNoRouting(error)) return false;
  return isCutHandshake(error) || error.retryable === true;
}

/** True where Memgraph has committed, and only a replica has not said that it has it, too. */
export function isUnconfirmedCommit(error: unknown): boolean {
  return isDriverError(error) && isMemgraph(error.code) && MEMGRAPH_UNCONFIRMED.test(error.message);
}

/** True where the server refused the statement itself: wrong syntax, unknown command, missing right. */
export function isRefusal(error: unknown): boolean {
  return isDriverError(error) && error.code.includes('ClientError');
}

/** True where the server ended a statement since it lasted too long: by the driver's error, or what was made of it. */
export function isTimedOut(error: unknown): boolean {
  const cause = error instanceof MigrateError ? error.cause : error;
  return isDriverError(cause) && isTimeOut(cause);
}

/** The server has rolled it back. At once again, it would take as long. */
function isTimeOut({ code, message }: DriverError): boolean {
  return TIMED_OUT.test(code) || (isMemgraph(code) && MEMGRAPH_TIMED_OUT.test(message));
}

function isOutOfMemory({ code, message }: DriverError): boolean {
  return OUT_OF_MEMORY.test(code) || (isMemgraph(code) && MEMGRAPH_OUT_OF_MEMORY.test(message));
}

function isEnded({ code, message }: DriverError): boolean {
  return ENDED.test(code) || (isMemgraph(code) && MEMGRAPH_ENDED.test(message));
}

function isNoDatabase({ code, message }: DriverError): boolean {
  return /DatabaseNotFound/.test(code) || (isMemgraph(code) && MEMGRAPH_NO_DATABASE.test(message));
}

/** A connection that breaks during the handshake is reported as a broken protocol, with the reason in its text alone. */
function isCutHandshake({ code, message }: DriverError): boolean {
  return (
    code === 'ProtocolError' && /\b(ECONNRESET|EPIPE|ECONNABORTED|Connection was closed by server)\b/.test(message)
  );
}

/** The driver reads four bytes of the server's first answer, and reads on where the connection broke behind the second. */
function isTornHandshake(error: unknown): error is RangeError {
  return error instanceof RangeError && 'code' in error && error.code === 'ERR_OUT_OF_RANGE';
}

/** What went wrong in a few words: a code or the system's own error name, never content. */
export function reasonText(error: unknown): string {
  if (isTornHandshake(error)) return 'connection lost';
  if (!isDriverError(error)) return error instanceof Error ? error.name : 'unknown error';
  if (isUnconfirmedCommit(error)) return 'committed, but a SYNC replica has not confirmed it';
  return isConnectionLost(error) ? networkReason(error.message) : error.code;
}

/** The system's own name in the driver's long text, such as ECONNREFUSED. */
function networkReason(message: string): string {
  if (/acquisition timed out|establish connection in|no answer in time/.test(message)) return 'no answer in time';
  return /\bE[A-Z_]{4,}\b/.exec(message)?.[0] ?? 'connection lost';
}

/** Turns what the driver throws into the one error class. Anything else is handed back unchanged. */
export function graphError(error: unknown, address: string): unknown {
  if (isTornHandshake(error)) return noConnection(address, 'connection lost', error);
  if (!isDriverError(error)) return error;
  const { code, message } = error;
  const details = { stage: 'graph', store: address };
  if (NO_COMMON_VERSION.test(message)) {
    const text = `the graph store at ${address} speaks no version of Bolt that this program does: it is older than Neo4j 4.4 and Memgraph 2.10`;
    const next = 'upgrade the server, or leave the graph out with --skip-graph';
    return new MigrateError('unsupported', text, { ...details, next, cause: error });
  }
  if (isNoRouting(error)) return routingRefused(address, error);
  // `N/A` is the driver's own code where no connection came about in the time given.
  if (isConnectionLost(error) || (code === 'N/A' && /acquisition timed out/.test(message))) {
    return noConnection(address, networkReason(message), error);
  }
  if (code === 'ProtocolError' || message.startsWith('Server responded HTTP')) {
    const text = `what answers at ${address} does not speak the graph protocol (Bolt)`;
    return new MigrateError('unsupported', text, { ...details, next: ADDRESS_FLAGS, cause: error });
  }
  if (UNAUTHORISED.test(code) || (isMemgraph(code) && MEMGRAPH_UNAUTHORISED.test(message))) {
    const text = `the graph store at ${address} refuses the user name or password`;
    return new MigrateError('unauthorised', text, { ...details, next: CREDENTIALS, cause: error });
  }
  if (DENIED.test(code) || (isMemgraph(code) && MEMGRAPH_DENIED.test(message))) {
    const text = `the graph store at ${address} does not let this user write there (${code})`;
    const next = 'use a user that may change labels and a server that takes writes, or --skip-graph';
    return new MigrateError('denied', text, { ...details, next, cause: error });
  }
  if (isNoDatabase(error)) {
    const text = `the graph store at ${address} has no database of that name`;
    return new MigrateError('missing', text, {
      ...details,
      next: 'check the name of the graph database',
      cause: error,
    });
  }
  if (UNAVAILABLE.test(code)) {
    const text = `the database at ${address} is not available (${code}): it starts, stops or was stopped`;
    const next = 'run the same command again once it is up, or leave the graph out with --skip-graph';
    return new MigrateError('unreachable', text, { ...details, retryable: true, next, cause: error });
  }
  if (isTimeOut(error)) {
    const text = `a statement at ${address} took longer than its time limit, and the server rolled it back`;
    const next = 'run the same command again with a smaller --batch-size or a longer --request-timeout';
    return new MigrateError('store', text, { ...details, retryable: true, next, cause: error });
  }
  if (isUnconfirmedCommit(error)) {
    const text = `the server at ${address} has committed a statement, but a SYNC replica has not confirmed it`;
    const next = 'see SHOW REPLICAS on the server, then run the same command again: it looks first what is done';
    return new MigrateError('store', text, { ...details, retryable: true, next, cause: error });
  }
  if (isMemgraph(code) && MEMGRAPH_STRICT.test(message)) {
    const text = `the server at ${address} rolled a statement back, since a STRICT_SYNC replica did not confirm it`;
    const next = 'see SHOW REPLICAS on the server, then run the same command again';
    return new MigrateError('store', text, { ...details, retryable: true, next, cause: error });
  }
  if (isEnded(error)) {
    const text = `the server at ${address} ended a statement and rolled it back (${code}): it was over its time limit, was ended by hand, or the server shuts down`;
    const next =
      'run the same command again, after a time limit with a smaller --batch-size or a longer --request-timeout';
    return new MigrateError('store', text, { ...details, retryable: true, next, cause: error });
  }
  if (isMemgraph(code) && /properties on edges are disabled/.test(message))
    return noRelationshipProperties(address, error);
  return storeError(error, details);
}

/** Memgraph is spoken to at the address of its main. */
export function routingRefused(address: string, cause?: unknown): MigrateError {
  const text = `neo4j:// at ${address} is refused: a Memgraph takes no such route, or, as a cluster, reads from replicas by it`;
  const next = 'give the main server’s own address as bolt://host:port (or bolt+s://)';
  return new MigrateError('unsupported', text, { stage: 'graph', store: address, next, cause });
}

/** The driver tells of it as of a server that it does not reach. */
function isNoRouting({ cause }: DriverError): boolean {
  return cause instanceof Error && /^Route message is not supported/.test(cause.message);
}

function noConnection(address: string, reason: string, cause: unknown): MigrateError {
  const text = `no connection to the graph store at ${address} (${reason})`;
  return new MigrateError('unreachable', text, {
    stage: 'graph',
    store: address,
    retryable: true,
    next: ADDRESS_FLAGS,
    cause,
  });
}

/** A Memgraph under `--storage-properties-on-edges=false`: only a restore sets some, by which it can be continued. */
function noRelationshipProperties(address: string, cause: unknown): MigrateError {
  const text = `the Memgraph at ${address} keeps no properties of relationships, which a restore needs`;
  const next = 'start it with --storage-properties-on-edges=true, or restore without the graph (--skip-graph)';
  return new MigrateError('unsupported', text, { stage: 'graph', store: address, next, cause });
}

function storeError(error: DriverError, details: { stage: string; store: string }): MigrateError {
  const { code, message, retryable } = error;
  // Only text that cannot quote a property's value is passed on, as Neo4j's text on a violated constraint does.
  const reason =
    isMemgraph(code) && isOutOfMemory(error)
      ? `${code}: out of memory`
      : QUOTABLE.test(code)
        ? `${code}: ${message.split('\n', 1)[0]}`
        : code;
  const text = `the graph store at ${details.store} refused a statement (${reason})`;
  const next = isOutOfMemory(error)
    ? 'use a smaller --batch-size'
    : retryable === true
      ? 'run the same command again'
      : 'see the server’s log for the statement';
  return new MigrateError('store', text, { ...details, retryable: retryable === true && !isOutOfMemory(error), next });
}

const isMemgraph = (code: string): boolean => code.startsWith('Memgraph.');

function isDriverError(error: unknown): error is DriverError {
  if (!(error instanceof Error) || error instanceof MigrateError) return false;
  return 'code' in error && typeof error.code === 'string' && 'retryable' in error;
}
