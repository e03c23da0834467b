import { expect, test } from 'vitest';
import { Recorder } from '../../../src/stores/redis/recorded-commands.ts';
import type { Reply } from '../../../src/stores/redis/redis-connection.ts';
import type { ClusterParts, RedisLink } from '../../../src/stores/redis/redis-link.ts';
import { Transactions } from '../../../src/stores/redis/redis-transactions.ts';

/** A master that notes what is sent to it; keys of `gone` are at another one. */
function master(name: string, log: string[], gone: ReadonlySet<string> = new Set()): RedisLink {
  const pipeline: RedisLink['pipeline'] = async (build) => {
    const recorder = new Recorder();
    build(recorder);
    return recorder.commands.map(({ command: [command, key] }): Reply => {
      if (command !== 'MULTI') log.push(`${name} ${[command, key].filter((part) => part !== undefined).join(' ')}`);
      if (gone.has(String(key))) return { error: 'MOVED 1 127.0.0.1:2' };
      return { value: command === 'EXEC' ? [] : 'OK' };
    });
  };
  return { address: name, connections: 1, pipeline, pauseBeforeRetry: async () => undefined } as unknown as RedisLink;
}

test('a transaction whose slot has moved waits for those of its new master: EXEC ends the watches of all', async () => {
  const log: string[] = [];
  const [a, b] = [master('a', log, new Set(['moving'])), master('b', log)];
  let owner = a;
  const cluster = {
    masterOf: (key: string) => (key === 'moving' ? owner : b),
    refresh: async () => {
      owner = b;
    },
  } as unknown as ClusterParts;
  const transactions = new Transactions({ address: 'cluster', cluster } as unknown as RedisLink);
  let look: () => void = () => undefined;
  const looked = new Promise<void>((resolve) => {
    look = resolve;
  });
  const run = (key: string, choose: () => Promise<[]>) =>
    transactions.run({ watched: [key], choose, wasDone: async () => false });
  const slow = run('slow', async () => {
    await looked;
    return [];
  });
  const moving = run('moving', async () => []);
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
  look();
  await Promise.all([slow, moving]);
  expect(log).toEqual(['b WATCH slow', 'a WATCH moving', 'b EXEC', 'b WATCH moving', 'b EXEC']);
});
