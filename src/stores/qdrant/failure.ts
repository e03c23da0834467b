import { errorText, MigrateError } from '../../model/errors.ts';
import { type Answer, isDiskFull, isOverBudget, serverText } from './answer.ts';

/** What a request was for, so that its failure can be told. */
export interface Purpose {
  /** The store's address without credentials. */
  readonly url: string;
  /** Completes "could not …". */
  readonly task: string;
  readonly collection?: string | undefined;
  readonly write: boolean;
}

const SKIP = 'or leave this store out with --skip-qdrant';
/** True of every command: what is done already is left as it is. */
const AGAIN = 'type the same command again';

/** The error that a final answer other than success stands for. */
export function answerFailure(answer: Answer, purpose: Purpose): MigrateError {
  const words = serverText(answer);
  const said = words === '' ? `HTTP ${answer.status}` : `HTTP ${answer.status}, ${words}`;
  const message = `Qdrant at ${purpose.url} could not ${purpose.task}: ${said}`;
  const fail = (code: MigrateError['code'], next: string, retryable = false, text = message) =>
    new MigrateError(code, text, { stage: 'qdrant', store: purpose.url, next, retryable });
  if (answer.status === 401) return fail('unauthorised', `set QDRANT_API_KEY to a key of this server, ${SKIP}`);
  if (answer.status === 403) return forbidden(fail, words, purpose.write);
  if (isDiskFull(answer)) return fail('store', `free space on the server's disk, then ${AGAIN}`, true);
  if (isOverBudget(answer)) return fail('store', `raise the collection's rate limit in strict mode, ${SKIP}`);
  const strict = answer.status === 400 ? strictFix(words, purpose.collection) : undefined;
  if (strict !== undefined) return fail('store', `${strict}, then ${AGAIN}; ${SKIP}`);
  if (answer.status === 429 || answer.status === 408)
    return fail('store', `when it is less busy ${AGAIN}; ${SKIP}`, true);
  if (answer.status >= 502 && answer.status <= 504)
    return fail('unreachable', `when it is up ${AGAIN}; check --qdrant-url, ${SKIP}`, true);
  if (answer.status === 413) {
    const why = 'it, or a proxy before it, takes no request as long (HTTP 413)';
    const next = `raise the proxy's limit (nginx: client_max_body_size) or send less at once with --batch-size, ${SKIP}`;
    return fail('store', next, false, `Qdrant at ${purpose.url} could not ${purpose.task}: ${why}`);
  }
  if (!answer.json) return notQdrant(purpose, answer.status);
  if (answer.status === 404 && purpose.collection !== undefined && /collection/i.test(words)) {
    const gone = `collection ${purpose.collection} is gone from Qdrant at ${purpose.url}`;
    return fail('missing', `if it was deleted on purpose, run again: it is planned without it; ${SKIP}`, false, gone);
  }
  return fail('store', `see the server's log, check --qdrant-url, ${SKIP}`, answer.status >= 500);
}

/** Which limit of strict mode a refusal comes of, by the server's words (lib/collection/src/operations/verification). */
const STRICT_LIMITS: readonly (readonly [words: RegExp, setting: string])[] = [
  [/maximum number of payload indices/, 'max_payload_index_count'],
  [/Max vector storage size limit/, 'max_collection_vector_size_bytes'],
  [/Max payload storage size limit/, 'max_collection_payload_size_bytes'],
  [/Max points count limit/, 'max_points_count'],
  [/Filter condition limit reached/, 'filter_max_conditions'],
  [/Condition size limit reached/, 'condition_max_size'],
  [/for "(?:upsert|update) limit"/, 'upsert_max_batchsize'],
  [/for "limit"/, 'max_query_limit'],
  [/Sparse vector '.*' has a limit/, 'sparse_config'],
];

/** What to change in strict mode, where it is what refuses. */
function strictFix(words: string, collection: string | undefined): string | undefined {
  const of = collection === undefined ? '' : ` of ${collection}`;
  if (/Exact search disabled/.test(words)) return `set search_allow_exact${of} to true`;
  if (/Index required but not found/.test(words)) return 'make the index that it names';
  const [, setting] = STRICT_LIMITS.find(([pattern]) => pattern.test(words)) ?? [];
  return setting === undefined ? undefined : `raise ${setting}${of} (strict mode)`;
}

function forbidden(
  fail: (code: MigrateError['code'], next: string) => MigrateError,
  words: string,
  write: boolean,
): MigrateError {
  if (write && /locked/i.test(words)) return fail('denied', `unlock the server for writing, ${SKIP}`);
  if (write && !/invalid api/i.test(words))
    return fail('denied', `set QDRANT_API_KEY to a key that may write, ${SKIP}`);
  return fail('unauthorised', `set QDRANT_API_KEY to a key that may read all collections, ${SKIP}`);
}

/** An answer that Qdrant does not give: a proxy's page, another program on that port. */
export function notQdrant(purpose: Purpose, status: number): MigrateError {
  return new MigrateError(
    'unsupported',
    `what answers at ${purpose.url} (HTTP ${status}) does not speak as Qdrant does: is this Qdrant?`,
    { stage: 'qdrant', store: purpose.url, next: `check --qdrant-url, ${SKIP}` },
  );
}

/** The error that a request without any answer stands for. */
export function networkFailure(error: unknown, purpose: Purpose): MigrateError {
  const message = `Qdrant at ${purpose.url} does not answer: could not ${purpose.task}: ${networkText(error)}`;
  return new MigrateError('unreachable', message, {
    stage: 'qdrant',
    store: purpose.url,
    next: `check --qdrant-url and that the server runs, ${SKIP}`,
    retryable: true,
    cause: error,
  });
}

/** The error of a write that the server took, and had not done when our patience was over. */
export function unfinished({ url, task }: Pick<Purpose, 'url' | 'task'>): MigrateError {
  return new MigrateError('store', `Qdrant at ${url} took the request to ${task} but has not finished it`, {
    stage: 'qdrant',
    store: url,
    retryable: true,
    next: `wait until its update queue is empty, then ${AGAIN}; a larger --request-timeout waits longer`,
  });
}

/** The text of a network error; `fetch failed` hides it in its cause. */
export function networkText(error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError') return 'no answer in time';
  if (error instanceof Error && error.cause instanceof Error) return networkText(error.cause);
  return errorText(error) || String(error);
}
