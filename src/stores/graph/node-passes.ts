import type { GraphConnection, Row } from './connection.ts';
import { isTimedOut } from './graph-error.ts';
import type { NodeId } from './graph-store.ts';
import { isTimeLimited } from './server-facts.ts';
import {
  type ContentPass,
  type Dialect,
  type IdWindow,
  idParameters,
  type NodePass,
  reading,
  type Statement,
} from './statements.ts';

/** Rows of ids in one page: few round trips, some 500 KB. */
const ID_PAGE = 10_000;
/** Rows with properties in one page. */
const CONTENT_PAGE = 1_000;
/** Ids that are read, and kept, at once: some 20 MB. Each window costs the server a walk over the label. */
const WINDOW = 100_000;
/** Above all ids. */
const NO_ID = 2n ** 63n - 1n;

/** The last one is open, for nodes that come meanwhile; most end at `end`. */
type Window = IdWindow & { readonly end?: bigint; readonly cuts?: number };

/** How often a window is halved: where even a part of it lasts too long, the server cannot walk over the label in time. */
const MOST_CUTS = 5;

/** Reads all nodes of a scope, however long the reader takes over them. */
export interface NodePasses {
  /** Rows of a pass. A row may come twice where a connection was lost or a statement lasted too long. */
  rows(pass: NodePass): AsyncGenerator<readonly Row[]>;
  /** The same, each once. Throws as {@link GraphConnection.stream} does. */
  distinctRows(pass: NodePass): AsyncGenerator<readonly Row[]>;
  /** Rows `id, labels, properties`, each once. Throws likewise. */
  content(pass: ContentPass): AsyncGenerator<readonly Row[]>;
  /** Rows of statements about nodes: of the whole ones, or of `ofIds` for a thousand nodes after the other. */
  about(pass: NodePass, whole: readonly Statement[], ofIds: readonly Statement[]): AsyncGenerator<readonly Row[]>;
  /** Runs a whole reading step again where it fails for a passing reason, or since a statement of it lasted too long. */
  again<T>(step: () => Promise<T>): Promise<T>;
}

/**
 * A server that ends what lasts long, as each Memgraph does, also between two pages of a stream that nobody takes, is
 * asked for ids first, in windows that are read at once, and then for what those nodes hold; so that none keeps a view of the
 * data open either, for which a Memgraph holds back its garbage. Another one is asked for all in one stream, which is
 * faster: it walks over its index once.
 */
export function nodePasses(connection: GraphConnection, dialect: Dialect): NodePasses {
  let limited: boolean | undefined;
  const isLimited = async (): Promise<boolean> => {
    limited ??= await isTimeLimited(connection, dialect);
    return limited;
  };

  const about: NodePasses['about'] = async function* (pass, whole, ofIds) {
    if (!(await isLimited())) {
      for (const statement of whole) yield* connection.stream(statement, CONTENT_PAGE);
      return;
    }
    for await (const rows of windowed(connection, pass)) {
      for (let at = 0; at < rows.length; at += CONTENT_PAGE) {
        const ids = rows.slice(at, at + CONTENT_PAGE).map((row): NodeId => String(row.get('id')));
        for (const statement of ofIds) {
          const parameters = { ...statement.parameters, ...idParameters(dialect, ids) };
          yield* connection.stream({ ...statement, parameters }, CONTENT_PAGE);
        }
      }
    }
  };

  return {
    about,
    content: ({ ids, whole }) => about(ids, [whole], [reading.nodesById(dialect)]),

    async *distinctRows(pass) {
      yield* (await isLimited()) ? windowed(connection, pass) : connection.stream(pass.rows(), ID_PAGE);
    },

    async *rows(pass) {
      if (!(await isLimited())) {
        try {
          yield* connection.restartingStream(pass.rows(), ID_PAGE);
          return;
        } catch (error) {
          if (!isTimedOut(error)) throw error;
          limited = true;
        }
      }
      yield* windowed(connection, pass);
    },

    async again(step) {
      try {
        return await connection.again(step);
      } catch (error) {
        if (limited === true || !isTimedOut(error)) throw error;
        limited = true;
        return connection.again(step);
      }
    },
  };
}

/** Window by window, each read to its end before its rows are handed over; one that lasts too long in halves. */
async function* windowed(connection: GraphConnection, pass: NodePass): AsyncGenerator<readonly Row[]> {
  const windows = await windowsOf(connection, pass);
  for (let window = windows.shift(); window !== undefined; window = windows.shift()) {
    const rows = await rowsIn(connection, pass, window);
    if (rows === undefined) windows.unshift(...halvesOf(window));
    else if (rows.length > 0) yield rows;
  }
}

/** Undefined where it shall be asked for in halves. */
async function rowsIn(connection: GraphConnection, pass: NodePass, window: Window): Promise<Row[] | undefined> {
  const isDivisible = window.high - window.low > 1n && (window.cuts ?? 0) < MOST_CUTS;
  try {
    return await connection.again(async () => {
      const rows: Row[] = [];
      for await (const some of connection.stream(pass.rows(window), ID_PAGE)) {
        rows.push(...some);
        // Ids need not lie evenly.
        if (rows.length > 2 * WINDOW && isDivisible) return undefined;
      }
      return rows;
    });
  } catch (error) {
    if (isDivisible && isTimedOut(error)) return undefined;
    throw error;
  }
}

async function windowsOf(connection: GraphConnection, { bounds }: NodePass): Promise<Window[]> {
  const cell = (row: Row, name: string) => row.get(name) as bigint | null;
  const [found] = await connection.read(bounds, (row) => [cell(row, 'low'), cell(row, 'high'), cell(row, 'count')]);
  const [low, high, count] = found ?? [];
  if (low == null || high == null) return [{ low: 0n, high: NO_ID }];
  const parts = BigInt(Math.ceil(Number(count) / WINDOW));
  const width = (high - low) / parts + 1n;
  return Array.from({ length: Number(parts) }, (_, i) => {
    const end = low + BigInt(i + 1) * width;
    // A server may give a low id again.
    const from = i === 0 ? 0n : end - width;
    return i === Number(parts) - 1 ? { low: from, high: NO_ID, end } : { low: from, high: end };
  });
}

function halvesOf({ low, high, end, cuts = 0 }: Window): readonly Window[] {
  const middle = end ?? (low + high) / 2n;
  return [
    { low, high: middle, cuts: cuts + 1 },
    { low: middle, high, cuts: cuts + 1 },
  ];
}
