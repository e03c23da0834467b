import { Redis } from 'ioredis';
import type { CodeBlock } from './code-blocks.ts';
import type { Place } from './place.ts';

/** What a block needs before it can be typed, and what it must end with. */
export interface Scene {
  /** Puts in place what the text around the block speaks of; returns what takes it away again. */
  readonly setUp: (place: Place) => Promise<(() => Promise<void>) | undefined>;
  /** The block with the examples' addresses and names of runs replaced by those that are there. */
  readonly text: (text: string, place: Place) => string;
  readonly exit: number;
  readonly check?: (place: Place, output: string) => Promise<void> | void;
}

/** Blocks that nothing here can run, by their first words. */
export const NOT_RUN: readonly { readonly first: string; readonly why: string }[] = [
  { first: 'npm ci && npm run demo', why: 'the demo is a program of its own, and takes half a minute' },
  { first: 'npm run demo', why: 'the demo is a program of its own, and takes half a minute' },
  { first: 'npm ci && npm test', why: 'it is what runs this' },
  {
    first: 'npm ci && npm run build',
    why: 'another build would change files that other tests run; the packed package is tried elsewhere',
  },
];

const DEFAULT: Scene = {
  setUp: async (place) => {
    await place.seed('siraya');
    return undefined;
  },
  text: (text) => text,
  exit: 0,
};

/** By the first words of the block, or of its heading behind a #. The first that fits. */
const SCENES: readonly (readonly [string, Partial<Scene>])[] = [];

export function sceneOf(block: CodeBlock): Scene {
  const found = SCENES.find(([words]) =>
    words.startsWith('#') ? block.heading === words.slice(1).trim() : block.text.startsWith(words),
  );
  return { ...DEFAULT, ...found?.[1] };
}

/** Moves a tenant and breaks off half-way, as a lost connection does. */
export async function unfinishedRun(place: Place): Promise<undefined> {
  await place.seed('siraya');
  const redis = new Redis(place.stores.urls.redisUrl);
  try {
    // A store that refuses writes from the graph's turn on leaves a run that has begun.
    const { code, output } = await place.run(
      `TENANT_MIGRATE_TIMEOUT=0.1 tenant-migrate ${place.id('siraya')} ${place.id('tenant_76920508')} --config-secrets secrets.json`,
    );
    if (code !== 4) throw new Error(`the run was to fail half-way, and ended with ${code}: ${output}`);
  } finally {
    redis.disconnect();
  }
  return undefined;
}
