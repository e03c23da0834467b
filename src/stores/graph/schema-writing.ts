import { setTimeout as sleep } from 'node:timers/promises';
import { MigrateError } from '../../model/errors.ts';
import type { Move } from '../../model/move.ts';
import type { GraphConnection } from './connection.ts';
import type { SchemaChange } from './graph-store.ts';
import { type SchemaItem, schemaOf } from './schema-reading.ts';
import type { GraphServer } from './server-facts.ts';
import { type Dialect, writeMark } from './statements.ts';
import { neo4jIfAbsent, schema } from './statements-schema.ts';

const TRIES = 4;
const PAUSE_MS = 500;
const POLL_MS = 100;
const LONGEST_POLL_MS = 2_000;

/** See the contract. A statement that fails is looked after: it may have taken effect before its connection broke. */
export async function alterSchema(
  connection: GraphConnection,
  server: GraphServer,
  { move, statement, isDone, settled }: SchemaChange & { readonly settled: (move: Move) => Promise<void> },
): Promise<void> {
  // A backup is a file, and files are changed: nothing else is ever run from it.
  if (!/^(?:CREATE|DROP) (?:[A-Z]+ )*(?:INDEX|CONSTRAINT) /.test(statement)) {
    throw new MigrateError('store', 'a schema statement of another kind was to be run', { stage: 'graph' });
  }
  const metadata = writeMark(move, connection.runId);
  for (let attempt = 1; ; attempt += 1) {
    try {
      await connection.writeOnce({ text: statement, metadata }, () => undefined);
      return;
    } catch (error) {
      if (!(error instanceof MigrateError) || !error.retryable || attempt >= TRIES) throw error;
      await sleep(PAUSE_MS * attempt);
      await settled(move);
      if (isDone(await schemaOf(connection, server))) return;
    }
  }
}

/** See the contract: what is there already is not made again, and what is not there is not dropped. */
export async function rehearseSchema(connection: GraphConnection, dialect: Dialect, item: SchemaItem): Promise<void> {
  if (dialect.name !== 'neo4j' || item.create === undefined) return;
  await connection.rehearse({ text: neo4jIfAbsent(item.create) });
  await connection.rehearse(schema.dropNothing(item.kind));
}

/** Looks again and again until `isReady`; as long as it takes. */
export async function awaitSchema(
  look: () => Promise<readonly SchemaItem[]>,
  isReady: (schema: readonly SchemaItem[]) => boolean,
  signal: AbortSignal,
): Promise<void> {
  for (let wait = POLL_MS; !isReady(await look()); wait = Math.min(2 * wait, LONGEST_POLL_MS)) {
    signal.throwIfAborted();
    // The timer's own error names no reason.
    await sleep(wait, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}
