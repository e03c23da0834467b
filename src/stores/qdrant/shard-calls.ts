import type { ShardLayout } from './collection-facts.ts';
import { answerFailure } from './failure.ts';
import type { QdrantWriter, ShardKey } from './qdrant-reader.ts';
import type { RawCall } from './raw-calls.ts';
import { type Connection, readingCalls } from './reading.ts';
import { collectionPath, objectText } from './request-body.ts';

/** Making and deleting the shard keys of a collection that the application places its points in. */
export function shardWriting(connection: Connection): Pick<QdrantWriter, 'createShardKey' | 'deleteShardKey'> {
  const { raw } = connection;
  const reader = readingCalls({ ...connection, scopes: new Map() });

  /** Sent once a try; what counts is what stands afterwards, since a second try is refused for what the first did. */
  async function change(call: RawCall & { readonly collection: string }, key: ShardKey, stays: boolean): Promise<void> {
    const isDone = async () => (await reader.collection(call.collection)).shardKeys.includes(key) === stays;
    if (await isDone()) return;
    const answer = await raw.ask(call);
    if (answer.status === 200 && answer.json) return;
    if (!(await isDone())) throw answerFailure(answer, raw.purpose(call));
  }

  return {
    async createShardKey(collection, key, layout) {
      const path = `${collectionPath(collection)}/shards`;
      const task = `make the shard key ${key} in ${collection}`;
      await change({ method: 'PUT', path, body: creationText(key, layout), task, collection, write: true }, key, true);
    },
    async deleteShardKey(collection, key) {
      const path = `${collectionPath(collection)}/shards/delete`;
      const task = `delete the shard key ${key} of ${collection}`;
      const body = objectText({ shard_key: JSON.stringify(key) });
      await change({ method: 'POST', path, body, task, collection, write: true }, key, false);
    },
  };
}

function creationText(key: ShardKey, { shards, replicas, peers }: ShardLayout): string {
  // A peer's number that was rounded names another peer: then the server chooses.
  const known = peers.length > 0 && peers.every((peer) => Number.isSafeInteger(peer));
  return objectText({
    shard_key: JSON.stringify(key),
    shards_number: String(shards),
    replication_factor: String(replicas),
    placement: known ? JSON.stringify(peers) : undefined,
  });
}
