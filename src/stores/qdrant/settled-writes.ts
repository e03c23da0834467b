import type { Answer } from './answer.ts';
import type { CollectionFacts } from './collection-facts.ts';
import { unfinished } from './failure.ts';
import { pause } from './pause.ts';
import type { QdrantReader } from './qdrant-reader.ts';
import type { RawCall } from './raw-calls.ts';
import type { Connection } from './reading.ts';

const FIRST_LOOK_MS = 100;
const LONGEST_LOOK_MS = 2_000;

/** Writes of which only `completed` is done. */
export interface SettledWrites {
  /** Waits until no update of the collection waits for its turn; the last one taken may still be at work. */
  emptyQueue(collection: string): Promise<CollectionFacts>;
  /**
   * Sends a write until it is done, or a look after an unknown outcome finds that nothing is left for it to do. The
   * answer is a success that is completed, or a refusal.
   */
  write(collection: string, call: RawCall, isNeedless: Needless): Promise<Answer>;
}

/** Tells from a collection with an empty queue whether nothing is left to write. */
export type Needless = (facts: CollectionFacts) => Promise<boolean>;

/** Stands for the answer of a write that a look has found done. */
const DONE: Answer = {
  status: 200,
  text: '{"result":{"status":"completed"}}',
  json: true,
  retryAfterMs: undefined,
};

/** `patienceMs`: how long the server may work off what it has taken. */
export function settledWrites(
  { url, raw, signal }: Connection,
  reader: Pick<QdrantReader, 'collection'>,
  patienceMs: number,
): SettledWrites {
  async function emptyQueue(collection: string): Promise<CollectionFacts> {
    const deadline = performance.now() + patienceMs;
    for (let waitMs = FIRST_LOOK_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_LOOK_MS)) {
      const facts = await reader.collection(collection);
      if (facts.updateQueue === undefined || facts.updateQueue === 0) return facts;
      if (performance.now() > deadline)
        throw unfinished({ url, task: `apply ${facts.updateQueue} updates of ${collection}` });
      await pause(waitMs, signal);
    }
  }
  return {
    emptyQueue,
    async write(collection, call, isNeedless) {
      const answer = await raw.ask(call, {
        onlyTaken: ({ status, json, text }) => status === 200 && json && !isCompleted(text),
        look: async () => ((await isNeedless(await emptyQueue(collection))) ? DONE : undefined),
      });
      if (answer.status === 200 && answer.json && !isCompleted(answer.text)) throw unfinished(raw.purpose(call));
      return answer;
    },
  };
}

/** Anything but a plain `completed` is not done yet, whatever else it says. */
function isCompleted(text: string): boolean {
  return /"status"\s*:\s*"completed"/.test(text);
}
