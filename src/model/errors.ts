/** What went wrong, as a word that code can switch on. */
export type ErrorCode =
  /** An option or argument does not fit. */
  | 'usage'
  /** A file, folder or address cannot be used. */
  | 'settings'
  /** It must not be done as things are. */
  | 'refused'
  /** No connection, or no answer. */
  | 'unreachable'
  /** The login was not accepted. */
  | 'unauthorised'
  /** The login may not do this. */
  | 'denied'
  /** The server or data is of a kind that cannot be handled. */
  | 'unsupported'
  /** What is asked for is not there. */
  | 'missing'
  /** Both ends hold something else. */
  | 'conflict'
  /** The stores are no longer as the plan saw them, or it was edited. */
  | 'stale-plan'
  /** A store answered with an error. */
  | 'store'
  /** One record could not be handled. */
  | 'record'
  /** Somebody told it to stop. */
  | 'stopped'
  /** The record of a run cannot be trusted. */
  | 'journal'
  /** The lock was lost to another. */
  | 'lock'
  /** A limit that was set was reached. */
  | 'limit'
  /** A hook failed, or refused what comes next. */
  | 'hook'
  /** A fault of this program. */
  | 'internal';

interface ErrorDetails {
  readonly stage?: string | undefined;
  readonly store?: string | undefined;
  readonly retryable?: boolean | undefined;
  readonly next?: string | undefined;
  readonly cause?: unknown;
}

/**
 * The one error class. Its message says what failed and where; `next` is the command or setting to use now.
 * Neither ever holds a secret or a record's content.
 */
export class MigrateError extends Error {
  override readonly name = 'MigrateError';
  readonly code: ErrorCode;
  /** The stage it came from, where one is known. */
  readonly stage: string | undefined;
  /** The store's address without credentials. */
  readonly store: string | undefined;
  /** True where the same request may succeed later. */
  readonly retryable: boolean;
  /** What to type or change now. */
  readonly next: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.stage = details.stage;
    this.store = details.store;
    this.retryable = details.retryable ?? false;
    this.next = details.next;
  }
}

/** The text of anything that was thrown, without its stack. */
export function errorText(error: unknown): string {
  if (error instanceof AggregateError) {
    return [...new Set([error.message, ...error.errors.map(errorText)])].filter((text) => text !== '').join('; ');
  }
  if (error instanceof Error) return error.message === '' ? error.name : error.message;
  return String(error);
}

/** The reason with which a run is told to stop; `by`, a signal's name or who else it was, is in its message. */
export function stopReason(by: string): MigrateError {
  return new MigrateError('stopped', `stopped by ${by}`);
}
