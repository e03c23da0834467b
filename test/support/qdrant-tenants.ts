import { onTestFinished } from 'vitest';
import type { Move } from '../../src/model/move.ts';
import type { QdrantPlan } from '../../src/stages/qdrant/qdrant-plan.ts';
import { qdrantStage } from '../../src/stages/qdrant.ts';
import type { Finding, StageOptions } from '../../src/stages/stage.ts';
import type { QdrantReader, QdrantWriter } from '../../src/stores/qdrant/qdrant-reader.ts';
import type { QdrantWorld } from './qdrant-world.ts';
import { applyContext, drain, planContext } from './stage-context.ts';

export const FIELD = 'workspace_id';

/** Three collections with a tenant, its look-alikes and numbers that JavaScript would round. */
export interface Tenants {
  readonly move: Move;
  readonly chunks: string;
  readonly named: string;
  readonly unrelated: string;
  /** Points of the source in both collections together. */
  readonly points: number;
}

const CHUNKS = 120;
const NAMED = 40;

export async function makeTenants(world: QdrantWorld): Promise<Tenants> {
  const move = { source: world.name('siraya'), target: world.name('moved') };
  const neighbours = [`${move.source}_eu`, `my_${move.source}`, move.source.toUpperCase(), world.name('other')];
  const hnsw_config = { m: 0, payload_m: 16 };
  const chunks = await world.collection(
    'chunks',
    { vectors: { size: 4, distance: 'Cosine' }, hnsw_config },
    { field: FIELD },
  );
  const tenants = [...Array<string>(CHUNKS).fill(move.source), ...neighbours, ...neighbours];
  await world.upsert(chunks, tenants.map(chunk));
  const named = await world.collection('named', {
    vectors: {
      text: { size: 2, distance: 'Dot' },
      colbert: { size: 2, distance: 'Dot', multivector_config: { comparator: 'max_sim' } },
    },
    sparse_vectors: { bm25: {} },
  });
  await world.upsert(named, [...Array<string>(NAMED).fill(move.source), ...neighbours].map(namedPoint));
  const unrelated = await world.collection('unrelated', { vectors: { size: 1, distance: 'Dot' } });
  await world.upsert(unrelated, ['{"id":1,"vector":[1],"payload":{"note":"of nobody"}}']);
  return { move, chunks, named, unrelated, points: CHUNKS + NAMED };
}

/** The id of the nth point in `chunks`, as JSON text. */
export function chunkId(index: number): string {
  return `"${String(index).padStart(8, '0')}-7c1d-4b7e-9d5f-000000000000"`;
}

function chunk(tenant: string, index: number): string {
  const payload = `{"${FIELD}":${JSON.stringify(tenant)},"id":"chunk-${index}","one":1.0,"content":"é ${index}"}`;
  return `{"id":${chunkId(index)},"vector":[1,0.${index + 1},-0.5,0.25],"payload":${payload}}`;
}

function namedPoint(tenant: string, index: number): string {
  const vector = `{"text":[0.1,${index}.5],"colbert":[[0.1,0.2],[0.3,0.${index + 1}]],"bm25":{"indices":[3,7],"values":[1.5,0.5]}}`;
  // Neighbouring ids that a double cannot tell apart.
  const id = 9_007_199_254_740_992n + BigInt(index);
  const payload = `{"${FIELD}":${JSON.stringify(tenant)},"big":-9007199254740993,"meta":{"${FIELD}":"kept","f":2.0}}`;
  return `{"id":${id},"vector":${vector},"payload":${payload}}`;
}

/** What a writing step is given, with an undo log that is closed when the test ends. */
export async function loggedContext<W>(
  store: W,
  overrides: Parameters<typeof applyContext<W>>[1] = {},
): Promise<Awaited<ReturnType<typeof applyContext<W>>>> {
  const ctx = await applyContext(store, overrides);
  if (overrides.undo === undefined) onTestFinished(() => ctx.undo.close());
  return ctx;
}

/** Preflight with its probe, plan, apply and verify, as a run does them. */
export async function wholeMove(
  store: QdrantWriter,
  move: Move,
  options: Partial<StageOptions> = {},
): Promise<{ readonly plan: QdrantPlan; readonly findings: readonly Finding[]; readonly undo: () => Promise<void> }> {
  const ctx = await loggedContext(store, { options });
  const problems = await qdrantStage.preflight([move], ctx, store);
  const plan = await planOf(store, move, options);
  const refused = [...problems, ...plan.problems];
  if (refused.length > 0) throw new Error(`refused: ${refused.map(({ code }) => code).join(', ')}`);
  await drain(qdrantStage.apply(plan, ctx));
  const findings = await qdrantStage.verify(plan, 'applied', ctx);
  return { plan, findings, undo: async () => void (await drain(qdrantStage.undo(plan, ctx))) };
}

/** A plan that went through JSON, as a stored one does. */
export async function planOf(
  store: QdrantReader,
  move: Move,
  options: Partial<StageOptions> = {},
): Promise<QdrantPlan> {
  const plan = await qdrantStage.plan([move], planContext(store, { options }));
  return JSON.parse(JSON.stringify(plan)) as QdrantPlan;
}
