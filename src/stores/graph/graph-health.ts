import { GraphConnection, type GraphSettings, type Row } from './connection.ts';
import { type SchemaItem, schemaOf } from './schema-reading.ts';
import {
  type GraphMemory,
  type GraphServer,
  type GraphState,
  identify,
  memgraphMemory,
  stateOf,
  timeLimitOf,
  unlessRefused,
} from './server-facts.ts';
import { server as serverStatements } from './statements.ts';
import { healthStatements } from './statements-health.ts';

/** How a graph server is, for one who wants to relabel nodes in it. */
export interface GraphHealth {
  readonly server: GraphServer;
  readonly state: GraphState;
  /** Of the database that is used; undefined where the server does not tell. */
  readonly database: { readonly name: string; readonly access: string; readonly status: string } | undefined;
  /** Limits and use of memory as the server words them; empty where it does not tell. */
  readonly memory: ReadonlyMap<string, string>;
  /** Of a Memgraph with a limit. */
  readonly used?: GraphMemory | undefined;
  /** How long a statement may last, in seconds, 0 for ever; undefined where the server does not tell. */
  readonly timeLimit?: number | undefined;
  /** Actions granted and denied to this user; undefined where the edition or the user's rights do not tell. */
  readonly privileges: readonly { readonly access: string; readonly action: string }[] | undefined;
  /** Indexes and constraints that are not online. */
  readonly schemaNotOnline: readonly SchemaItem[];
  readonly schemaCount: number;
}

/** What looks at a graph server in READ sessions. */
export interface GraphHealthProbe {
  readonly address: string;
  /** Round trips of a statement that reads nothing, one after the other, ms. */
  pings(): Promise<readonly number[]>;
  health(): Promise<GraphHealth>;
  close(): Promise<void>;
}

const PINGS = 5;
/** Which of Memgraph's figures are about memory. */
const MEMGRAPH_MEMORY =
  /^(memory_(res|allocated|tracked|limit)|allocation_limit|global_(memory_tracked|\w+_allocation_limit))$/;

/** Connects once. Throws `unreachable`, `unauthorised` or `settings`. */
export async function openGraphHealth(settings: GraphSettings): Promise<GraphHealthProbe> {
  const connection = await GraphConnection.open(settings);
  return {
    address: connection.address,
    async pings() {
      const ms: number[] = [];
      for (let ping = 0; ping < PINGS; ping += 1) {
        const started = performance.now();
        await connection.read(healthStatements.ping, () => undefined);
        ms.push(performance.now() - started);
      }
      return ms;
    },
    health: () => healthOf(connection, settings.database),
    close: () => connection.close(),
  };
}

async function healthOf(connection: GraphConnection, database: string | undefined): Promise<GraphHealth> {
  const server = await identify(connection);
  const isNeo4j = server.dialect.name === 'neo4j';
  const items = await schemaOf(connection, server);
  const memory = isNeo4j ? await pairs(connection, healthStatements.memory.text) : await memoryTold(connection);
  return {
    server,
    state: await stateOf(connection, server),
    database: isNeo4j ? await databaseOf(connection, database) : undefined,
    memory,
    timeLimit: await timeLimitOf(connection, server.dialect),
    used: isNeo4j ? undefined : memgraphMemory([...memory]),
    privileges: isNeo4j ? await privilegesOf(connection) : undefined,
    schemaNotOnline: items.filter(({ state }) => state !== 'online'),
    schemaCount: items.length,
  };
}

async function databaseOf(connection: GraphConnection, name: string | undefined): Promise<GraphHealth['database']> {
  const rows = await unlessRefused(() =>
    connection.read(healthStatements.databases, (row) => ({
      name: String(row.get('name')),
      access: String(row.get('access')),
      status: String(row.get('currentStatus')),
      home: row.get('home') === true,
    })),
  );
  return rows?.find((row) => (name === undefined ? row.home : row.name === name));
}

async function memoryTold(connection: GraphConnection): Promise<ReadonlyMap<string, string>> {
  const all = await pairs(connection, serverStatements.memgraphStorage.text);
  return new Map([...all].filter(([name]) => MEMGRAPH_MEMORY.test(name)));
}

async function pairs(connection: GraphConnection, text: string): Promise<ReadonlyMap<string, string>> {
  const pair = (row: Row) => [String(row.get(0)), String(row.get(1))] as const;
  return new Map(await unlessRefused(() => connection.read({ text }, pair)));
}

function privilegesOf(connection: GraphConnection): Promise<GraphHealth['privileges']> {
  return unlessRefused(() =>
    connection.read(healthStatements.privileges, (row) => ({
      access: String(row.get('access')),
      action: String(row.get('action')),
    })),
  );
}
