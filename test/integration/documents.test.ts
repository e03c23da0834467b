import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CodeBlock, codeBlocks } from '../support/documents/code-blocks.ts';
import { openPlace, startPlaces } from '../support/documents/place.ts';
import { NOT_RUN, sceneOf } from '../support/documents/scenes.ts';
import type { Stores } from '../support/stores.ts';

const project = join(import.meta.dirname, '../..');
const blocks = ['README.md', 'MIGRATION.md'].flatMap((name) => codeBlocks(join(project, name)));
/** Of two blocks with the same words one is enough. */
const commands = [
  ...new Map(blocks.filter(({ language }) => language === 'sh').map((block) => [block.text, block])).values(),
];

describe('the documents’ command blocks do what they say, typed as they stand there', () => {
  let stores: Stores;
  let redis: Redis;
  beforeAll(async () => {
    stores = await startPlaces();
    redis = new Redis(stores.urls.redisUrl);
  });
  afterAll(async () => {
    redis.disconnect();
    await stores.stop();
  });

  it.each(commands.filter((block) => NOT_RUN.every(({ first }) => !block.text.startsWith(first))))(
    '$where',
    async (block) => {
      await redis.flushall();
      stores.qdrant.reset();
      stores.api.reset();
      const place = await openPlace(stores);
      const scene = sceneOf(block);
      const undo = await scene.setUp(place);
      try {
        const { code, output } = await place.run(place.named(scene.text(block.text, place)));
        expect({ code, output: code === scene.exit ? '' : output }).toEqual({ code: scene.exit, output: '' });
        await scene.check?.(place, output);
      } finally {
        await undo?.();
      }
    },
  );

  it('and every block says what it is; those that cannot be run here are few, and are still there', () => {
    expect(blocks.filter(({ language }) => language === '').map(({ where }) => where)).toEqual([]);
    const stale = NOT_RUN.filter(({ first }) => !commands.some(({ text }: CodeBlock) => text.startsWith(first)));
    expect(stale).toEqual([]);
    for (const { first, why } of NOT_RUN) console.error(`not run here: ${first}: ${why}`);
  });
});
