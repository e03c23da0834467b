import { MigrateError } from '../../model/errors.ts';
import type { QdrantReader, QdrantWriter, SetFieldRequest } from './qdrant-reader.ts';
import type { Connection } from './reading.ts';
import { collectionPath, filterText, objectText } from './request-body.ts';

const FIRST_LOOK_MS = 100;
const LONGEST_LOOK_MS = 2_000;

/** The writing calls over the reader's connection. `patienceMs` bounds the wait for what the server only queued. */
export function writingCalls(
  reader: QdrantReader,
  { url, raw, control }: Connection,
  patienceMs: number,
): QdrantWriter {
  /** Looks until `done` is true. The server has the write in its log and will apply it: sending again would not help. */
  async function lookUntil(done: () => Promise<boolean>, task: string): Promise<void> {
    const deadline = performance.now() + patienceMs;
    for (let waitMs = FIRST_LOOK_MS; !(await done()); waitMs = Math.min(waitMs * 2, LONGEST_LOOK_MS)) {
      if (performance.now() > deadline) {
        throw new MigrateError('store', `Qdrant at ${url} took the request to ${task} but has not finished it`, {
          stage: 'qdrant',
          store: url,
          retryable: true,
          next: 'wait until its update queue is empty, then type the same command again; a larger --request-timeout waits longer',
        });
      }
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  return {
    ...reader,
    async setField({ collection, ids, match, to }: SetFieldRequest) {
      const task = `set ${match.field} in ${collection}`;
      const text = await raw.send({
        method: 'POST',
        path: `${collectionPath(collection)}/points/payload?wait=true&ordering=medium`,
        // The ids stand in the filter: beside a `points` list Qdrant ignores the filter, and one missing id fails it.
        body: objectText({
          payload: JSON.stringify({ [match.field]: to }),
          filter: filterText({ ids, match }),
        }),
        task,
        collection,
        write: true,
      });
      if (isCompleted(text)) return;
      await lookUntil(async () => (await reader.count({ collection, ids, match })) === 0, task);
    },
    async createTenantIndex(collection, field) {
      const task = `index ${field} in ${collection}`;
      const { status } = await control({ url, task, collection, write: true }, (client) =>
        client.createPayloadIndex(collection, {
          wait: true,
          ordering: 'medium',
          field_name: field,
          field_schema: { type: 'keyword', is_tenant: true },
        }),
      );
      if (status === 'completed') return;
      await lookUntil(async () => (await reader.collection(collection)).indexes.has(field), task);
    },
    async deleteIndex(collection, field) {
      const task = `remove the index on ${field} from ${collection}`;
      const { status } = await control({ url, task, collection, write: true }, (client) =>
        client.deletePayloadIndex(collection, field, { wait: true, ordering: 'medium' }),
      );
      if (status === 'completed') return;
      await lookUntil(async () => !(await reader.collection(collection)).indexes.has(field), task);
    },
  };
}

/** Anything but a plain `completed` is not done yet, whatever else it says. */
function isCompleted(text: string): boolean {
  return /"status"\s*:\s*"completed"/.test(text);
}
