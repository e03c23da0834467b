import type { Schemas } from '@qdrant/js-client-rest';
import { isOverBudget } from './answer.ts';
import { backupWriting } from './backup-calls.ts';
import type { Received } from './control-calls.ts';
import { unfinished } from './failure.ts';
import { pause } from './pause.ts';
import { pointWriting } from './point-calls.ts';
import type { QdrantWriter, SetArrayRequest, SetFieldRequest, ShardKey } from './qdrant-reader.ts';
import { type RawCall, textOf } from './raw-calls.ts';
import { type Connection, readingCalls } from './reading.ts';
import {
  collectionPath,
  filterText,
  objectText,
  type PointFilter,
  settingOf,
  shardKeyText,
  valueText,
} from './request-body.ts';
import { settledWrites } from './settled-writes.ts';
import { shardWriting } from './shard-calls.ts';

/** A point that is asked for and ruled out at once. */
const NO_POINT = '{"has_id":["ffffffff-ffff-4fff-bfff-ffffffffffff"]}';

type IndexResult = Schemas['UpdateResult'];

/**
 * The reading and writing calls over a connection. Only `completed` is done. After everything else — taken but not
 * done, timed out, broken off, failed on the way — the outcome is unknown: the server is given `patienceMs` to work off
 * what it has taken, then a look tells what is left, and the write is repeated for that.
 */
export function writingCalls(connection: Connection, patienceMs: number): QdrantWriter {
  const { url, raw, control, signal } = connection;
  const reader = readingCalls(connection);
  const { emptyQueue, write } = settledWrites(connection, reader, patienceMs);

  async function changeIndex(
    collection: string,
    task: string,
    call: Parameters<typeof control<IndexResult>>[1],
  ): Promise<void> {
    const { status } = await control({ url, task, collection, write: true }, call, {
      onlyTaken: ({ value }: Received<IndexResult>) => value !== undefined && value.status !== 'completed',
      // The index may be named before it is built: only a repetition that completes tells.
      look: async () => void (await emptyQueue(collection)),
    });
    if (status !== 'completed') throw unfinished({ url, task });
  }

  /** Sets a field of the points that match; in halves where that is more than a whole minute's limit. */
  async function setGuarded(
    setting: Setting,
    filter: PointFilter & { readonly ids: readonly string[] },
  ): Promise<void> {
    const { collection, shardKeys } = setting;
    const { ids } = filter;
    const call = settingCall(setting, filter);
    const answer = await write(collection, call, async ({ replicas }) => {
      return (await reader.count({ collection, shardKeys, ...filter, allReplicas: replicas > 1 })) === 0;
    });
    if (!isOverBudget(answer) || ids.length === 1) return void textOf(answer, raw.purpose(call));
    const half = Math.ceil(ids.length / 2);
    await setGuarded(setting, { ...filter, ids: ids.slice(0, half) });
    await setGuarded(setting, { ...filter, ids: ids.slice(half) });
  }

  function setField({ collection, ids, match, to, notInArrays, shardKeys }: SetFieldRequest): Promise<void> {
    const value = valueText({ value: to, number: match.number });
    return setGuarded({ collection, field: match.field, value, shardKeys }, { ids, match, notInArrays });
  }

  function setArray({ collection, ids, field, from, to, unordered, shardKeys }: SetArrayRequest): Promise<void> {
    const array = { field, elements: from, unordered };
    return setGuarded({ collection, field, value: `[${to.join(',')}]`, shardKeys }, { ids, array });
  }

  return {
    ...reader,
    ...backupWriting(reader, connection),
    ...pointWriting(connection, { reader, write }),
    ...shardWriting(connection),
    setField,
    setArray,
    createTenantIndex: (collection, field, number) =>
      changeIndex(collection, `index ${field} in ${collection}`, (client) =>
        client.createPayloadIndex(collection, {
          wait: true,
          ordering: 'medium',
          field_name: field,
          field_schema: number ? 'integer' : { type: 'keyword', is_tenant: true },
        }),
      ),
    deleteIndex: (collection, field) =>
      changeIndex(collection, `remove the index on ${field} from ${collection}`, (client) =>
        client.deletePayloadIndex(collection, field, { wait: true, ordering: 'medium' }),
      ),
    async changeAliases({ remove, make }) {
      const actions = [
        ...remove.map((alias_name) => ({ delete_alias: { alias_name } })),
        ...make.map(({ alias, collection }) => ({
          create_alias: { alias_name: alias, collection_name: collection },
        })),
      ];
      if (actions.length === 0) return;
      // A second try finds the names as the first has made them: removing and making again changes nothing.
      await control({ url, task: 'change its aliases', write: true }, (client) =>
        client.updateCollectionAliases({ actions }),
      );
    },
    async deleteCollection(name) {
      const purpose = { url, task: `delete the collection ${name}`, collection: name, write: true };
      await control(purpose, (client) => client.deleteCollection(name));
    },
    async tryToWrite(collection, shardKeys) {
      const call = { ...emptyWrite(collection, shardKeys), task: `write to ${collection}` };
      // Sent once more where the outcome is unknown: it changes nothing.
      textOf(await write(collection, call, async () => false), raw.purpose(call));
    },
    async settled(collection) {
      const { updateQueue, customSharding, shardKeys } = await emptyQueue(collection);
      // The update at work is no longer counted among those that wait. One that changes nothing comes after it, and
      // since a shard applies its updates in order, this one's completion is that one's too.
      const call = emptyWrite(collection, shardKeys);
      // Without a shard there is no queue.
      if (!customSharding || shardKeys.length > 0)
        textOf(await write(collection, call, async () => false), raw.purpose(call));
      return updateQueue !== undefined;
    },
    wait: (ms) => pause(ms, signal),
    stoppedBy: (stop) => writingCalls({ ...connection.stoppedBy(stop), scopes: connection.scopes }, patienceMs),
    within: (scopes) => writingCalls({ ...connection, scopes }, patienceMs),
  };
}

interface Setting {
  readonly collection: string;
  readonly field: string;
  /** JSON text. */
  readonly value: string;
  readonly shardKeys: readonly ShardKey[] | undefined;
}

function settingCall({ collection, field, value, shardKeys }: Setting, filter: PointFilter): RawCall {
  return {
    ...payloadCall(collection, `set ${field} in ${collection}`),
    // The ids stand in the filter: beside a `points` list Qdrant ignores the filter, and one missing id fails it.
    body: objectText({
      ...settingOf(field, value),
      filter: filterText(filter),
      shard_key: shardKeyText(shardKeys),
    }),
  };
}

/** A write for which no point can match, whatever the collection holds; it needs no index. */
function emptyWrite(collection: string, shardKeys: readonly ShardKey[]): RawCall {
  return {
    ...payloadCall(collection, `apply the updates of ${collection}`),
    body: objectText({
      payload: '{"none":0}',
      filter: `{"must":[${NO_POINT}],"must_not":[${NO_POINT}]}`,
      shard_key: shardKeyText(shardKeys),
    }),
  };
}

function payloadCall(collection: string, task: string): Omit<RawCall, 'body'> {
  const path = `${collectionPath(collection)}/points/payload?wait=true&ordering=medium`;
  return { method: 'POST', path, task, collection, write: true };
}
