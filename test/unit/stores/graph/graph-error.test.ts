import { describe, expect, it } from 'vitest';
import { MigrateError } from '../../../../src/model/errors.ts';
import {
  graphError,
  isConnectionLost,
  isTransient,
  isUnconfirmedCommit,
} from '../../../../src/stores/graph/graph-error.ts';

const address = 'bolt://graph.example:7687';

/** Looks like what the driver throws. */
function driverError(code: string, message: string): Error {
  const retryable = code.includes('Transient') || code === 'ServiceUnavailable';
  return Object.assign(new Error(message), { code, retryable });
}

const cases: readonly (readonly [string, string, string])[] = [
  ['unreachable', 'ServiceUnavailable', 'Failed to connect to server. Caused by: connect ECONNREFUSED 127.0.0.1:1'],
  ['unreachable', 'N/A', 'Connection acquisition timed out in 3000 ms. Pool status: Active conn count = 0'],
  ['unreachable', 'ProtocolError', 'Connection was closed by server'],
  ['unsupported', 'ProtocolError', 'Unknown Bolt protocol version: 1213486160'],
  [
    'unauthorised',
    'Neo.ClientError.Security.Unauthorized',
    'The client is unauthorized due to authentication failure.',
  ],
  ['unauthorised', 'Memgraph.ClientError.Security.Unauthenticated', 'Authentication failure'],
  ['denied', 'Neo.ClientError.Security.Forbidden', "Set label for label 'x' is not allowed for user 'reader'"],
  ['denied', 'Neo.ClientError.General.ForbiddenOnReadOnlyDatabase', 'No write operations are allowed'],
  ['denied', 'Neo.ClientError.Statement.AccessMode', 'Writing in read access mode not allowed.'],
  ['denied', 'Memgraph.ClientError.MemgraphError.MemgraphError', 'You are not authorized to execute this query!'],
  ['unreachable', 'Neo.TransientError.General.DatabaseUnavailable', 'The database is not currently available'],
  ['store', 'Neo.ClientError.Transaction.TransactionTimedOutClientConfiguration', 'secret has been terminated'],
  ['store', 'Neo.ClientError.Transaction.LockClientStopped', 'The transaction has been terminated. secret'],
  ['store', 'Memgraph.TransientError.MemgraphError.MemgraphError', 'asked to abort: executing longer than secret'],
  ['store', 'Neo.ClientError.Schema.ConstraintValidationFailed', "Node(1) already exists with `k` = 'secret value'"],
  ['store', 'Neo.TransientError.Transaction.DeadlockDetected', 'ForsetiClient can not acquire secret value'],
];

describe('what the driver throws', () => {
  it.each(cases)('becomes %s for %s', (code, driverCode, message) => {
    const error = graphError(driverError(driverCode, message), address) as MigrateError;
    expect(error).toBeInstanceOf(MigrateError);
    expect(error).toMatchObject({ code, store: address, stage: 'graph' });
    expect(error.message).toContain(address);
    expect(error.next).toBeTruthy();
    expect(`${error.message} ${error.next}`).not.toContain('secret');
  });

  it('names the address flags where nothing answers', () => {
    const { message, next } = graphError(
      driverError('ServiceUnavailable', 'connect ECONNREFUSED ::1'),
      address,
    ) as MigrateError;
    expect(message).toContain('ECONNREFUSED');
    expect(next).toMatch(/--memgraph-host\/--memgraph-port or --graph-url.*--skip-graph/);
  });

  it('keeps the text of a violated constraint out of the cause too: it quotes the value', () => {
    const error = graphError(
      driverError('Neo.ClientError.Schema.ConstraintValidationFailed', 'secret'),
      address,
    ) as Error;
    expect(error.cause).toBeUndefined();
  });

  it('is handed back unchanged where it is not the driver’s', () => {
    const stop = new MigrateError('stopped', 'stop');
    expect(graphError(stop, address)).toBe(stop);
  });

  it.each([
    ['Neo.TransientError.General.DatabaseUnavailable', '', /once it is up/],
    ['Neo.ClientError.Transaction.TransactionTimedOut', '', /--batch-size.*--request-timeout/],
    ['Neo.ClientError.Transaction.TransactionTimedOutClientConfiguration', '', /--batch-size.*--request-timeout/],
    ['Neo.ClientError.Transaction.Terminated', '', /same command again/],
    ['Memgraph.TransientError.MemgraphError.MemgraphError', 'because of transaction timeout', /--request-timeout/],
    ['Neo.TransientError.Transaction.DeadlockDetected', '', /^run the same command again$/],
  ])('%s is told as worth another run', (code, message, next) => {
    expect(graphError(driverError(code, message), address)).toMatchObject({
      retryable: true,
      next: expect.stringMatching(next),
    });
  });

  it('is not tried again at once where the server ended it: over its time, or by hand', () => {
    const memgraph = 'Memgraph.TransientError.MemgraphError.MemgraphError';
    expect(isTransient(driverError(memgraph, 'Transaction was asked to abort because of transaction timeout.'))).toBe(
      false,
    );
    expect(isTransient(driverError(memgraph, 'Cannot resolve conflicting transactions.'))).toBe(true);
    expect(isTransient(driverError('Neo.ClientError.Transaction.Terminated', ''))).toBe(false);
    expect(isTransient(driverError('Neo.TransientError.General.DatabaseUnavailable', ''))).toBe(true);
  });

  // Texts as Memgraph's `src/query/exceptions.hpp`, `src/utils/memory_tracker.cpp` and `src/dbms` write them.
  it.each([
    ['Cannot get read only access to the storage. Try stopping other queries that are running in parallel.', true],
    ['Cannot get read-only access to the storage. Try stopping other queries that are running in parallel.', true],
    ['Cannot get unique access to the storage. Try stopping other queries that are running in parallel.', true],
    ['Replication Exception: At least one SYNC replica has not confirmed committing last transaction. Check …', true],
    ['Memory limit exceeded! Attempting to allocate a chunk of 1.00MiB which would put the current use to …', false],
    ['Transaction was asked to abort by another user.', false],
    ['Transaction was asked to abort because of database shutdown.', false],
    ['Tried to retrieve an unknown database "other".', false],
  ])('Memgraph calls it transient: %s', (message, again) => {
    const error = driverError('Memgraph.TransientError.MemgraphError.MemgraphError', message);
    expect(isTransient(error)).toBe(again);
    expect((graphError(error, address) as MigrateError).code).not.toBe('denied');
    if (again) expect(graphError(error, address)).toMatchObject({ code: 'store', retryable: true });
  });

  it.each([
    ['denied', 'Vertex not created due to not having enough permission!'],
    [
      'denied',
      'Write query forbidden on the main! Coordinator needs to enable writing on main by sending RPC message.',
    ],
    ['denied', 'Write queries are forbidden in read-only mode'],
    ['missing', 'Tried to retrieve an unknown database "other".'],
  ])('Memgraph’s refusal is %s: %s', (code, message) => {
    const error = driverError('Memgraph.ClientError.MemgraphError.MemgraphError', message);
    expect(graphError(error, address)).toMatchObject({ code, retryable: false });
  });

  it('says of a commit that a replica did not confirm that it was committed', () => {
    const text =
      "Replication Exception: At least one SYNC replica has not confirmed committing last transaction. Check the status of the replicas using 'SHOW REPLICAS' query.";
    const error = driverError('Memgraph.TransientError.MemgraphError.MemgraphError', text);
    expect(isUnconfirmedCommit(error)).toBe(true);
    expect((graphError(error, address) as MigrateError).message).toContain('has committed a statement');
    expect(isUnconfirmedCommit(driverError('Neo.ClientError.Statement.SyntaxError', text))).toBe(false);
  });

  it('is tried again only where that can help', () => {
    expect(isTransient(driverError('Neo.TransientError.Transaction.DeadlockDetected', ''))).toBe(true);
    expect(isTransient(driverError('Neo.TransientError.General.MemoryPoolOutOfMemoryError', ''))).toBe(false);
    expect(isTransient(driverError('Neo.ClientError.Statement.SyntaxError', ''))).toBe(false);
    expect(isConnectionLost(driverError('ServiceUnavailable', ''))).toBe(true);
    expect(isTransient(driverError('ProtocolError', 'Connection was closed by server'))).toBe(true);
    expect(isTransient(driverError('ProtocolError', 'Unknown Bolt protocol version: 1'))).toBe(false);
    expect(isConnectionLost(driverError('Neo.TransientError.Transaction.DeadlockDetected', ''))).toBe(false);
  });
});
