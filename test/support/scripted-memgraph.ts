import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { packedMessage, type Structure, unpacked } from './packstream.ts';

/** A statement as a client has sent it. */
export interface SentStatement {
  readonly text: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** What stands beside it: `mode`, `tx_metadata`, `tx_timeout`, `db`. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/** Rows, after which a failure may come instead of the end; or a failure at once, where there are no columns. */
export interface ScriptedAnswer {
  readonly columns?: readonly string[];
  readonly rows?: readonly (readonly unknown[])[];
  readonly failure?: { readonly code: string; readonly message: string };
}

/** The first whose pattern the text matches answers it. */
export type Script = readonly (readonly [RegExp, ScriptedAnswer | ((sent: SentStatement) => ScriptedAnswer)])[];

/** A Memgraph that is not one: see {@link startScriptedMemgraph}. */
export interface ScriptedMemgraph {
  readonly port: number;
  readonly url: string;
  /** Looked at before what every Memgraph answers; changed at any time. */
  script: Script;
  /** Bolt's version as the server picks it, or `none` where it knows none that is offered. */
  bolt: '5.2' | '4.3' | 'none';
  /** How it names itself. */
  agent: string;
  /** Statements whose rows have not all been taken. */
  readonly open: number;
  /** Answers ROUTE, as a coordinator of a cluster does. */
  routes: boolean;
  /** What clients have sent, but for the questions that every start asks. */
  readonly sent: SentStatement[];
  close(): Promise<void>;
}

/** Codes by the class of the exception (`src/communication/bolt/v1/states/handlers.hpp`, ExceptionToErrorMessage). */
export const clientError = (message: string): ScriptedAnswer => ({
  failure: { code: 'Memgraph.ClientError.MemgraphError.MemgraphError', message },
});
export const transientError = (message: string): ScriptedAnswer => ({
  failure: { code: 'Memgraph.TransientError.MemgraphError.MemgraphError', message },
});

/** `AbortReason::TIMEOUT` in `src/query/exceptions.hpp`. */
export const TIMED_OUT = transientError('Transaction was asked to abort because of transaction timeout.');

/** Rows of names and values, as SHOW STORAGE INFO and its like give them. */
export const pairs = (
  columns: readonly [string, string],
  members: Readonly<Record<string, unknown>>,
): ScriptedAnswer => ({
  columns,
  rows: Object.entries(members),
});

const AGENT = 'Neo4j/v5.11.0 compatible graph database server - Memgraph';
const [SUCCESS, RECORD, FAILURE, IGNORED] = [0x70, 0x71, 0x7f, 0x7e];
const [HELLO, GOODBYE, RESET, RUN, BEGIN, COMMIT, ROLLBACK] = [0x01, 0x02, 0x0f, 0x10, 0x11, 0x12, 0x13];
const [DISCARD, PULL, ROUTE, LOGON, LOGOFF] = [0x2f, 0x3f, 0x66, 0x6a, 0x6b];
/** Answered by a success alone. */
const SIMPLE = [BEGIN, COMMIT, ROLLBACK, DISCARD, LOGON, LOGOFF];

/** What a Memgraph 3.8 without users or data answers to the questions about itself (`src/query/interpreter.cpp`). */
const OWN: Script = [
  [/^SHOW VERSION/, { columns: ['version'], rows: [['3.8.0']] }],
  [/^SHOW REPLICATION ROLE/, { columns: ['replication role'], rows: [['main']] }],
  [/^SHOW STORAGE INFO/, pairs(['storage info', 'value'], { storage_mode: 'IN_MEMORY_TRANSACTIONAL' })],
  [/^SHOW INDEX INFO/, { columns: ['index type', 'label', 'property', 'count'] }],
  [/^SHOW CONSTRAINT INFO/, { columns: ['constraint type', 'label', 'properties', 'data_type'] }],
  [/^SHOW TRANSACTIONS/, { columns: ['username', 'transaction_id', 'query', 'status', 'metadata'] }],
  [/^SHOW TRIGGERS/, { columns: ['trigger name', 'statement', 'event type', 'phase', 'owner'] }],
  [/^RETURN 1/, { columns: ['one'], rows: [[1n]] }],
  [/^SHOW /, clientError('this is not answered here')],
];

/**
 * Speaks Bolt as Memgraph does (versions 4.3 and 5.2, `src/communication/bolt/v1`), and answers each statement by a
 * script. A PULL gives the rows that it asks for, and a failure behind them comes with the PULL that reaches it. After a
 * failure all is ignored until RESET.
 */
export async function startScriptedMemgraph(script: Script = []): Promise<ScriptedMemgraph> {
  const sockets = new Set<Socket>();
  const sessions: (() => boolean)[] = [];
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    sessions.push(serve(socket, scripted));
  });
  const listening = once(server, 'listening');
  server.listen(0, '127.0.0.1');
  await listening;
  const { port } = server.address() as { port: number };
  const scripted: ScriptedMemgraph = {
    port,
    url: `bolt://127.0.0.1:${port}`,
    script,
    bolt: '5.2',
    routes: false,
    agent: AGENT,
    get open() {
      return sessions.filter((isOpen) => isOpen()).length;
    },
    sent: [],
    async close() {
      for (const socket of sockets) socket.destroy();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
  return scripted;
}

/** The server itself in all roles, for five minutes. */
function routing(port: number): object {
  const servers = ['ROUTE', 'READ', 'WRITE'].map((role) => ({ role, addresses: [`127.0.0.1:${port}`] }));
  return { ttl: 300n, db: 'memgraph', servers };
}

/** Whether a statement is open there is told by what comes back. */
function serve(socket: Socket, scripted: ScriptedMemgraph): () => boolean {
  let bytes = Buffer.alloc(0);
  let message = Buffer.alloc(0);
  let greeted = false;
  const { take, isOpen } = sessionOf(socket, scripted);
  socket.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    if (!greeted) {
      if (bytes.length < 20) return;
      bytes = bytes.subarray(20);
      greeted = true;
      const [major = 0, minor = 0] = scripted.bolt === 'none' ? [] : scripted.bolt.split('.').map(Number);
      socket.write(Buffer.from([0, 0, minor, major]));
      // `src/communication/bolt/v1/states/handshake.hpp`: an answer of zeros, and the connection is closed.
      if (major === 0) socket.end();
    }
    while (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE()) {
      const size = bytes.readUInt16BE();
      message = Buffer.concat([message, bytes.subarray(2, 2 + size)]);
      bytes = bytes.subarray(2 + size);
      if (size > 0 || message.length === 0) continue;
      take(unpacked(message) as Structure);
      message = Buffer.alloc(0);
    }
  });
  return () => !socket.destroyed && isOpen();
}

function sessionOf(
  socket: Socket,
  scripted: ScriptedMemgraph,
): { readonly take: (message: Structure) => void; readonly isOpen: () => boolean } {
  let failed = false;
  let open: { readonly answer: ScriptedAnswer; at: number } | undefined;
  const send = (signature: number, field: unknown = {}) => socket.write(packedMessage(signature, field));
  const fail = (failure: object) => {
    failed = true;
    open = undefined;
    send(FAILURE, failure);
  };

  const run = (sent: SentStatement) => {
    const own = OWN.find(([pattern]) => pattern.test(sent.text));
    const ours = scripted.script.find(([pattern]) => pattern.test(sent.text));
    if (own === undefined || ours !== undefined) scripted.sent.push(sent);
    const found = (ours ?? own)?.[1] ?? clientError(`nothing is scripted for ${sent.text}`);
    const answer = typeof found === 'function' ? found(sent) : found;
    if (answer.columns === undefined && answer.failure !== undefined) {
      fail(answer.failure);
      return;
    }
    open = { answer, at: 0 };
    send(SUCCESS, { fields: answer.columns ?? [], qid: 0n });
  };

  const pull = (asked: number) => {
    const { rows = [], failure } = open?.answer ?? {};
    const from = open?.at ?? 0;
    const some = rows.slice(from, asked < 0 ? undefined : from + asked);
    for (const row of some) send(RECORD, row);
    if (open !== undefined) open.at += some.length;
    if (from + some.length < rows.length) {
      send(SUCCESS, { has_more: true });
    } else if (failure !== undefined) {
      fail(failure);
    } else {
      open = undefined;
      send(SUCCESS, { has_more: false, type: 'rw', db: 'memgraph' });
    }
  };

  const take = ({ signature, fields }: Structure): void => {
    const [first, parameters, extra] = fields as [never, never, never];
    if (signature === GOODBYE) {
      socket.end();
    } else if (signature === RESET) {
      failed = false;
      open = undefined;
      send(SUCCESS);
    } else if (failed) {
      send(IGNORED);
    } else if (signature === HELLO) {
      send(SUCCESS, { server: scripted.agent, connection_id: 'bolt-1' });
    } else if (signature === RUN) {
      run({ text: String(first), parameters: parameters ?? {}, extra: extra ?? {} });
    } else if (signature === PULL) {
      pull(Number((first as { readonly n?: bigint }).n ?? -1n));
    } else if (signature === ROUTE) {
      if (scripted.routes) send(SUCCESS, { rt: routing(scripted.port) });
      else fail(clientError('Route message is not supported in Memgraph!').failure ?? {});
    } else if (SIMPLE.includes(signature)) {
      if (signature === DISCARD) open = undefined;
      send(SUCCESS);
    } else {
      socket.destroy();
    }
  };
  return { take, isOpen: () => open !== undefined };
}
