import type { RedisSettings } from './redis-connection.ts';

/** Several databases of one server, each with a connection of its own. */
export interface RedisDatabases<S> {
  readonly databases: readonly RedisDatabase<S>[];
  close(): Promise<void>;
}

export interface RedisDatabase<S> {
  /** Its number at the server. */
  readonly db: number;
  readonly store: S;
}

/**
 * Opens all of them, or none. Each has a client name of its own: leftovers of an earlier process are told by it, and one
 * database's connection does not end another's.
 */
export async function openDatabases<S extends { close(): Promise<void> }>(
  settings: readonly RedisSettings[],
  open: (settings: RedisSettings) => Promise<S>,
  clientName?: string,
): Promise<RedisDatabases<S>> {
  const opened = await Promise.allSettled(
    settings.map((one) => open({ ...one, clientName: `${clientName ?? one.clientName}-db${one.db}` })),
  );
  const databases = opened.flatMap((result, index) =>
    result.status === 'fulfilled' ? [{ db: settings[index]?.db ?? 0, store: result.value }] : [],
  );
  const close = async () => {
    for (const result of await Promise.allSettled(databases.map(({ store }) => store.close())))
      if (result.status === 'rejected') throw result.reason;
  };
  const failed = opened.find((result) => result.status === 'rejected');
  if (failed === undefined) return { databases, close };
  await close();
  throw failed.reason;
}
