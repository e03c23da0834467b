import { MigrateError } from '../../model/errors.ts';
import type { GraphConnection, Row } from './connection.ts';
import { routingRefused } from './graph-error.ts';
import type { Surroundings } from './graph-store.ts';
import { type Dialect, type Statement, server } from './statements.ts';

/** Which server it is, found by looking. */
export interface GraphServer {
  readonly dialect: Dialect;
  /** Such as `5.26.0`; empty where the server does not tell. */
  readonly version: string;
}

/** Whether writes can be taken, and taken back. */
export interface GraphState {
  /** Memgraph's, such as `IN_MEMORY_TRANSACTIONAL`; absent where unknown or on Neo4j. */
  readonly storageMode?: string | undefined;
  readonly replica: boolean;
}

/** Memory in use, and what there is at most. */
export interface GraphMemory {
  readonly usedBytes: number;
  readonly limitBytes: number;
}

/**
 * Tells Memgraph from Neo4j: by the agent, and where Memgraph was told to hide its name, by a command that only it
 * knows (a flag sets the agent, so that it proves Memgraph but not Neo4j). Throws `unsupported` for a Memgraph behind
 * `neo4j://`: a cluster's reads would go to replicas, which may be behind.
 */
export async function identify(connection: GraphConnection): Promise<GraphServer> {
  const memgraph: Dialect = { name: 'memgraph', idFunction: 'id' };
  const shown = await unlessRefused(() => connection.read(server.memgraphVersion, firstColumn));
  if (shown !== undefined || connection.agent.includes('Memgraph')) {
    if (connection.address.startsWith('neo4j')) throw routingRefused(connection.address);
    return { dialect: memgraph, version: versionIn(shown?.[0] ?? '') };
  }
  const agent = versionIn(connection.agent);
  const version = agent === '' ? versionIn((await connection.read(server.neo4jVersion, firstColumn))[0] ?? '') : agent;
  return { dialect: { name: 'neo4j', idFunction: Number.parseInt(version, 10) < 5 ? 'id' : 'elementId' }, version };
}

/** Storage mode and role of a Memgraph; what it does not tell this user is left open. */
export async function stateOf(connection: GraphConnection, { dialect }: GraphServer): Promise<GraphState> {
  if (dialect.name === 'neo4j') return { replica: false };
  const role = await unlessRefused(() => connection.read(server.memgraphRole, firstColumn));
  const storageMode =
    (await storageModeIn(connection, server.memgraphStorage.text)) ??
    (await storageModeIn(connection, server.memgraphDatabaseStorage.text));
  return { storageMode, replica: role?.[0] === 'replica' };
}

/** Memory as the server tells it; undefined where it keeps it from this user, or has no limit. */
export async function memoryOf(
  connection: GraphConnection,
  { dialect }: GraphServer,
): Promise<GraphMemory | undefined> {
  if (dialect.name === 'neo4j') {
    const [heap] = (await unlessRefused(() => connection.read(server.neo4jHeap, (row) => row.get('heap')))) ?? [];
    const { used, max } = (heap ?? {}) as { readonly used?: unknown; readonly max?: unknown };
    return memory(Number(used), Number(max));
  }
  const rows = await unlessRefused(() =>
    connection.read(server.memgraphStorage, (row) => [String(row.get(0)), String(row.get(1))] as const),
  );
  return memgraphMemory(rows ?? []);
}

/**
 * What Memgraph's `SHOW STORAGE INFO` tells of memory, by the names of its releases (`src/query/interpreter.cpp`): up to 2.12
 * `memory_allocated`; then `memory_tracked`, in 3.10 `global_memory_tracked` beside it for the whole server. The limit is
 * `allocation_limit`, in 3.10 `global_runtime_allocation_limit`, from 3.11 `memory_limit`.
 */
export function memgraphMemory(rows: readonly (readonly [name: string, value: string])[]): GraphMemory | undefined {
  const told = new Map(rows);
  const first = (...names: readonly string[]) => bytesIn(names.map((name) => told.get(name)).find(Boolean) ?? '');
  return memory(
    first('global_memory_tracked', 'memory_tracked', 'memory_allocated'),
    first('global_runtime_allocation_limit', 'memory_limit', 'allocation_limit'),
  );
}

function memory(usedBytes: number, limitBytes: number): GraphMemory | undefined {
  return usedBytes >= 0 && limitBytes > 0 ? { usedBytes, limitBytes } : undefined;
}

/** `1.20GiB` → bytes; NaN for what is none. */
export function bytesIn(text: string): number {
  const [, number, unit] = /^([\d.]+)\s*(B|KiB|MiB|GiB|TiB)?$/.exec(text.trim()) ?? [];
  if (number === undefined) return Number.NaN;
  return Number(number) * 1_024 ** ['B', 'KiB', 'MiB', 'GiB', 'TiB'].indexOf(unit ?? 'B');
}

async function storageModeIn(connection: GraphConnection, text: string): Promise<string | undefined> {
  const rows = await unlessRefused(() =>
    connection.read({ text }, (row) => [String(row.get(0)), String(row.get(1))] as const),
  );
  return rows?.find(([name]) => name === 'storage_mode')?.[1];
}

/** How long a statement may last, in seconds, 0 for ever; undefined where the server does not tell this user. */
export async function timeLimitOf(connection: GraphConnection, dialect: Dialect): Promise<number | undefined> {
  if (dialect.name === 'neo4j') {
    const told = await unlessRefused(() => connection.read(server.neo4jTimeLimit, firstColumn));
    return secondsIn(told?.[0] ?? '');
  }
  const settings = await unlessRefused(() =>
    connection.read(server.memgraphSettings, (row) => [String(row.get(0)), String(row.get(1))] as const),
  );
  const seconds = Number.parseFloat(settings?.find(([name]) => name === 'query.timeout')?.[1] ?? '');
  return Number.isNaN(seconds) ? undefined : seconds;
}

/** Whether the server is to be taken as one that ends what lasts long: Memgraph has a limit of ten minutes unless told otherwise. */
export async function isTimeLimited(connection: GraphConnection, dialect: Dialect): Promise<boolean> {
  return dialect.name === 'memgraph' || ((await timeLimitOf(connection, dialect)) ?? 0) > 0;
}

/** Neo4j's durations: `1h30m`, `10m`, `2s`, `500ms`. */
function secondsIn(text: string): number | undefined {
  const units: Readonly<Record<string, number>> = { d: 86_400, h: 3_600, m: 60, s: 1, ms: 0.001, μs: 1e-6, ns: 1e-9 };
  const parts = [...text.matchAll(/(\d+)(d|h|ms|m|s|μs|ns)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) return undefined;
  return parts.reduce((sum, [, number, unit = '']) => sum + Number(number) * (units[unit] ?? 0), 0);
}

/** The labels in use, or undefined where the server can tell only by reading every node. */
export async function labelsOf(
  connection: GraphConnection,
  { dialect }: GraphServer,
): Promise<readonly string[] | undefined> {
  return unlessRefused(() => connection.read(server.labels[dialect.name], firstColumn));
}

/** Databases, triggers and privileges, as far as the server tells this user. */
export async function surroundingsOf(connection: GraphConnection, { dialect }: GraphServer): Promise<Surroundings> {
  const ask = (statement: Statement) => unlessRefused(() => connection.read(statement, firstColumn));
  const databases = await ask(server.databases[dialect.name]);
  if (dialect.name === 'neo4j') return { databases, privileges: await ask(server.neo4jPrivileges) };
  const triggers = await unlessRefused(() =>
    connection.read(server.triggers, (row) => ({ name: String(row.get(0)), statement: String(row.get('statement')) })),
  );
  const privileges: string[] = [];
  for (const role of (await ask(server.memgraphRoles)) ?? []) {
    for (const privilege of (await ask(server.memgraphPrivileges(role))) ?? [])
      privileges.push(`${role}: ${privilege}`);
  }
  return { databases, triggers, privileges };
}

const firstColumn = (row: Row): string => String(row.get(0));

const versionIn = (text: string): string => /\d+(\.\d+)+/.exec(text)?.[0] ?? '';

/** Undefined where the server does not know the statement or keeps the answer from this user. */
export async function unlessRefused<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    const refused = error instanceof MigrateError && (error.code === 'store' || error.code === 'denied');
    if (refused && !error.retryable) return undefined;
    throw error;
  }
}
