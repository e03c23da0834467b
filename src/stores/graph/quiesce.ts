import { setTimeout as sleep } from 'node:timers/promises';
import { MigrateError } from '../../model/errors.ts';
import type { GraphConnection, Row } from './connection.ts';
import type { Quiesced, QuiesceWanted } from './graph-store.ts';
import { unlessRefused } from './server-facts.ts';
import { type Dialect, leftover, namePrefix, server, type WriteMark, writeMark } from './statements.ts';

const STEP_MS = 100;
/** Looks in a row that must find nothing: Memgraph up to 3.8 leaves out what is committing. */
const QUIET_LOOKS = { neo4j: 1, memgraph: 2 };

/** Where its client does not close it, Neo4j lists a transaction that was ended, and that can never commit, for long. */
const OVER = /^Terminated/;

/** What the server runs now, as far as it was marked by this program. */
interface MarkedTransaction {
  readonly id: string;
  readonly over: boolean;
  readonly marks: ReadonlyMap<string, unknown>;
}

/**
 * Ends what earlier processes of this run have open at the server, so that nothing they sent can still be carried out:
 * their connections, with all that waits on them, and their transactions. Where the server tells no connections, a
 * request may be on its way unseen: then it waits `settleMs` before it looks.
 */
export async function quiesce(
  connection: GraphConnection,
  dialect: Dialect,
  { moves, settleMs, signal }: QuiesceWanted,
): Promise<Quiesced> {
  const connections = await endConnections(connection, dialect);
  if (connections === undefined) await pause(settleMs, signal);
  const transactions = await endTransactions(connection, dialect);
  for (const move of moves) {
    await settle(connection, dialect, { mark: writeMark(move), longestMs: settleMs, signal });
  }
  return { connections: connections ?? 0, transactions, waited: connections === undefined };
}

/**
 * Resolves when the server runs no write any more that has all of this mark. Throws `store` after `longestMs`.
 * Resolves at once where the server keeps its transactions from this user.
 */
export async function settle(
  connection: GraphConnection,
  dialect: Dialect,
  { mark, longestMs, signal }: { readonly mark: WriteMark; readonly longestMs: number; readonly signal?: AbortSignal },
): Promise<void> {
  const wanted = Object.entries(mark);
  let quiet = 0;
  for (let waited = 0; ; waited += STEP_MS) {
    const running = await transactionsOf(connection, dialect);
    const isRunning = running.some(({ marks }) => wanted.every(([name, value]) => marks.get(name) === value));
    quiet = isRunning ? 0 : quiet + 1;
    if (quiet >= QUIET_LOOKS[dialect.name]) return;
    if (isRunning && waited >= longestMs) throw stillWriting(connection.address);
    await pause(STEP_MS, signal);
  }
}

/** How many were ended; undefined where the server does not list connections. */
async function endConnections(connection: GraphConnection, dialect: Dialect): Promise<number | undefined> {
  const { runId, clientName } = connection;
  if (dialect.name !== 'neo4j' || runId === undefined) return undefined;
  const listed = await unlessRefused(() =>
    connection.write(leftover.connections, (row) => ({ id: String(row.get('id')), name: String(row.get('name')) })),
  );
  if (listed === undefined) return undefined;
  const namesakes = listed.rows.filter(({ name }) => name.startsWith(`${namePrefix(runId)}:`) && name !== clientName);
  if (namesakes.length === 0) return 0;
  const ids = namesakes.map(({ id }) => id);
  const killed = await unlessRefused(() => connection.write(leftover.killConnections(ids), () => undefined));
  return killed === undefined ? undefined : ids.length;
}

async function endTransactions(connection: GraphConnection, dialect: Dialect): Promise<number> {
  if (connection.runId === undefined) return 0;
  const running = await transactionsOf(connection, dialect);
  const ids = running
    .filter(({ marks }) => marks.get('application') === 'tenant-migrate' && marks.get('run') === connection.runId)
    .map(({ id }) => id);
  if (ids.length === 0) return 0;
  // Refused, they are waited for.
  const ended = await unlessRefused(() => connection.write(leftover.terminate(ids), () => undefined));
  return ended === undefined ? 0 : ids.length;
}

/** Empty where the server keeps them from this user. */
async function transactionsOf(connection: GraphConnection, dialect: Dialect): Promise<readonly MarkedTransaction[]> {
  const idColumn = dialect.name === 'neo4j' ? 'transactionId' : 'transaction_id';
  const map = (row: Row): MarkedTransaction => ({
    id: String(row.get(idColumn)),
    over: dialect.name === 'neo4j' && OVER.test(String(row.get('status'))),
    marks: new Map(Object.entries((row.get('metadata') as object | null) ?? {})),
  });
  const listed = (await unlessRefused(() => connection.read(server.transactions[dialect.name], map))) ?? [];
  return listed.filter(({ over }) => !over);
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  // The timer's own error names no reason.
  await sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => signal?.throwIfAborted());
}

function stillWriting(address: string): MigrateError {
  const message = `an earlier write of this move is still running at ${address}, so that its outcome is unknown`;
  return new MigrateError('store', message, {
    stage: 'graph',
    store: address,
    retryable: true,
    next: 'wait until SHOW TRANSACTIONS lists it no more, then run the same command again',
  });
}
