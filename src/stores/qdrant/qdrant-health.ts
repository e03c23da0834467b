import pMap from 'p-map';
import { pingHttp } from '../http-ping.ts';
import { type CollectionFacts, collectionFacts } from './collection-facts.ts';
import { networkFailure } from './failure.ts';
import type { QdrantSettings } from './qdrant-reader.ts';
import { connect } from './qdrant-store.ts';
import { readingCalls } from './reading.ts';

/** How a collection is, for one who wants to write to it. */
export interface QdrantCollectionHealth extends CollectionFacts {
  /** `green`, `yellow` (optimising), `grey` (waits to optimise) or `red`; empty where it does not tell. */
  readonly status: string;
  /** The optimiser's own words where it has failed. */
  readonly optimizerError: string | undefined;
}

/** What looks at a Qdrant and leaves it as it is. */
export interface QdrantHealthProbe {
  readonly url: string;
  /** Asks for the server's name a few times: needs no key, and is not repeated. */
  reach(): Promise<{ readonly ms: readonly number[]; readonly version: string; readonly skewMs: number | undefined }>;
  collections(): Promise<readonly QdrantCollectionHealth[]>;
  close(): Promise<void>;
}

const PINGS = 5;
const COLLECTIONS_AT_ONCE = 8;

/** Nothing is sent before the first call. Throws `settings` on an unusable address or key. */
export async function openQdrantHealth(settings: QdrantSettings): Promise<QdrantHealthProbe> {
  const connection = await connect(settings);
  const reader = readingCalls(connection);
  const { url, control } = connection;
  return {
    url,
    async reach() {
      const headers = { accept: 'application/json' };
      const asked = { through: settings.through, url: `${url}/`, headers, timeoutMs: settings.timeoutMs, times: PINGS };
      const { ms, text, status, skewMs } = await pingHttp(asked).catch((error: unknown) => {
        throw networkFailure(error, { url, task: 'tell its version', write: false });
      });
      // Asked once more by the reader where it is no Qdrant: it has the words for that.
      const version = status === 200 ? versionIn(text) : undefined;
      return { ms, skewMs, version: version ?? (await reader.version()) };
    },
    async collections() {
      const names = await reader.collections();
      return pMap(
        names,
        async (name) => {
          const purpose = { url, task: `describe ${name}`, collection: name, write: false };
          return healthOf(name, await control(purpose, (client) => client.getCollection(name)));
        },
        { concurrency: COLLECTIONS_AT_ONCE },
      );
    },
    close: () => reader.close(),
  };
}

function healthOf(name: string, info: unknown): QdrantCollectionHealth {
  const { status, optimizer_status } = info as { readonly status?: unknown; readonly optimizer_status?: unknown };
  const failed = typeof optimizer_status === 'object' && optimizer_status !== null && 'error' in optimizer_status;
  return {
    ...collectionFacts(name, info),
    status: typeof status === 'string' ? status : '',
    optimizerError: failed ? String(optimizer_status.error) : undefined,
  };
}

function versionIn(text: string): string | undefined {
  return /"title":\s*"[^"]*qdrant[^"]*"[\s\S]*"version":\s*"([\w.+-]+)"/i.exec(text)?.[1];
}
