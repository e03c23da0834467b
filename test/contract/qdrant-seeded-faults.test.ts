import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { qdrantStage } from '../../src/stages/qdrant.ts';
import type { QdrantWriter, RetryInfo } from '../../src/stores/qdrant/qdrant-reader.ts';
import { openQdrantWriter } from '../../src/stores/qdrant/qdrant-store.ts';
import { type FaultKind, type QdrantStandIn, startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import { FIELD, loggedContext, makeTenants, planOf, type Tenants } from '../support/qdrant-tenants.ts';
import { pointsOf, QdrantWorld, withField } from '../support/qdrant-world.ts';
import { drain } from '../support/stage-context.ts';

/** Every fault after which the same request may succeed. */
const kinds: readonly FaultKind[] = [
  ...(['late', 'half', 'delay', 'cut-before', 'cut-after', 'cut-half'] as const),
  ...(['408', '429', '500', '503'] as const),
];

/** The requests whose loss matters: writes, and looks at what became of them. */
const on = '^(PUT|DELETE) .*/index|/points/(payload|count)';

let standIn: QdrantStandIn;
let world: QdrantWorld;
let tenants: Tenants;
let writer: QdrantWriter;
let retries: RetryInfo[];

beforeEach(async () => {
  standIn = await startQdrantStandIn();
  // The same names each time: a seed chooses its faults by the requests.
  world = new QdrantWorld(standIn.url, 't_');
  tenants = await makeTenants(world);
  retries = [];
  writer = await openQdrantWriter({ url: standIn.url, timeoutMs: 5_000, onRetry: (info) => retries.push(info) });
});

afterEach(async () => {
  await writer.close();
  await standIn.close();
});

describe.each([1, 2])('under faults of seed %i', (seed) => {
  it('a move ends exactly, its undo gives back exactly the start, and a second undo changes nothing', async () => {
    const before = await world.states();
    const plan = await planOf(writer, tenants.move);
    const ctx = await loggedContext(writer, { options: { batchSize: 40 } });
    standIn.setFaults({ seed, rate: 0.4, kinds, on, ms: 30, retryAfter: 0, inARow: 1 });
    await drain(qdrantStage.apply(plan, ctx));
    expect(await qdrantStage.verify(plan, 'applied', ctx)).toEqual([]);
    expect(pointsOf(await world.states())).toEqual(withField(before, FIELD, tenants.move));
    for (let times = 0; times < 2; times += 1) {
      await drain(qdrantStage.undo(plan, ctx));
      expect(await world.states()).toEqual(before);
    }
    expect(retries.length).toBeGreaterThan(3);
  });

  it('a move that breaks half-way is taken back exactly', async () => {
    const before = await world.states();
    const plan = await planOf(writer, tenants.move);
    standIn.setFaults({ seed, rate: 0.7, kinds: ['late', 'half', 'cut-before', 'cut-after'], on, ms: 60, inARow: 2 });
    let permits = 0;
    const permit = async (): Promise<void> => {
      permits += 1;
      if (permits > 4) throw new Error('stop');
    };
    const broken = await loggedContext(writer, { options: { batchSize: 20 }, permit });
    await expect(drain(qdrantStage.apply(plan, broken))).rejects.toThrow();
    standIn.setFaults({ seed, rate: 0.4, kinds, on, ms: 30, retryAfter: 0, inARow: 1 });
    const ctx = await loggedContext(writer, { undo: broken.undo });
    await qdrantStage.quiesce?.([tenants.move], ctx);
    await drain(qdrantStage.undo(plan, ctx));
    expect(await world.states()).toEqual(before);
  });
});
