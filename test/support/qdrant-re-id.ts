import { parse, stringify } from 'lossless-json';
import { pointId } from '../../scripts/seed/point-id.ts';
import type { Move } from '../../src/model/move.ts';
import type { QdrantPlan } from '../../src/stages/qdrant/qdrant-plan.ts';
import { qdrantStage } from '../../src/stages/qdrant.ts';
import type { Finding, StageOptions } from '../../src/stages/stage.ts';
import type { QdrantWriter } from '../../src/stores/qdrant/qdrant-reader.ts';
import { FIELD, loggedContext, planOf } from './qdrant-tenants.ts';
import type { CollectionState, QdrantWorld } from './qdrant-world.ts';
import { drain } from './stage-context.ts';

const never = () => {
  throw new Error('these ids come by no chance');
};

/** The id that LightRAG computes, by code that is not under test. */
export function lightRagId(tenant: string, recordId: string): string {
  return pointId('lightrag', never, tenant, recordId);
}

/** A tenant whose ids LightRAG made, beside neighbours, in one collection of its own and one that is mixed. */
export interface ReIdTenants {
  readonly move: Move;
  readonly entities: string;
  readonly mixed: string;
  /** Points of the source in both. */
  readonly points: number;
}

export const ENTITIES = 14;
const MIXED = 12;

export async function makeReIdTenants(world: QdrantWorld): Promise<ReIdTenants> {
  const move = { source: world.name('acme'), target: world.name('moved') };
  const entities = await world.collection('entities', { vectors: { size: 4, distance: 'Dot' } }, { field: FIELD });
  const neighbours = [`${move.source}_eu`, world.name('other')];
  const owners = [...Array<string>(ENTITIES).fill(move.source), ...neighbours];
  await world.upsert(
    entities,
    owners.map((tenant, index) => entity(tenant, index)),
  );
  const mixed = await world.collection('mixed', {
    vectors: {
      text: { size: 2, distance: 'Dot' },
      colbert: { size: 2, distance: 'Dot', multivector_config: { comparator: 'max_sim' } },
    },
    sparse_vectors: { bm25: {} },
  });
  await world.upsert(
    mixed,
    Array.from({ length: MIXED }, (_, index) => mixedPoint(move.source, index)),
  );
  return { move, entities, mixed, points: ENTITIES + MIXED };
}

/** Floats at the edges of 32 bits, integers beyond 2^53, and members that a parser would sort or merge. */
export function entity(tenant: string, index: number, content = `é ${index}`): string {
  const id = lightRagId(tenant, `ent-${index}`);
  const payload = `{"10":1,"2":1.0,"${FIELD}":${JSON.stringify(tenant)},"id":"ent-${index}","big":9007199254740993,"content":${JSON.stringify(content)}}`;
  return `{"id":"${id}","vector":[0.1,1e-45,-${index}.7,16777217],"payload":${payload}}`;
}

/** Every third keeps its id: a number, or a UUID of nobody's making. */
function mixedPoint(tenant: string, index: number): string {
  const record = `rel-${index}`;
  const own = [`"${lightRagId(tenant, record)}"`, String(9_007_199_254_740_993n + BigInt(index)), `"${uuidOf(index)}"`];
  const bm25 = index % 2 === 0 ? `,"bm25":{"indices":[3,7],"values":[1.5,1e-38]}` : '';
  const vector = `{"text":[0.1,${index}.3],"colbert":[[0.1,0.2],[0.3,0.${index + 1}]]${bm25}}`;
  const payload = `{"id":"${record}","meta":{"${FIELD}":"kept","f":2.0},"${FIELD}":${JSON.stringify(tenant)}}`;
  return `{"id":${own[index % 3]},"vector":${vector},"payload":${payload}}`;
}

function uuidOf(index: number): string {
  return `0000000${(index % 9) + 1}-7c1d-4b7e-9d5f-00000000000${index % 10}`;
}

type Points = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** The points as they must stand after a move: the field changed, ids that derive from the source made from the target. */
export function reIded(states: Readonly<Record<string, CollectionState>>, { source, target }: Move): Points {
  return Object.fromEntries(
    Object.entries(states).map(([name, { points }]) => [
      name,
      Object.fromEntries(
        Object.entries(points).map(([id, text]) => {
          const point = parse(text) as { id: unknown; payload: Record<string, unknown> };
          if (point.payload[FIELD] !== source && point.payload[FIELD] !== target) return [id, text];
          const record = String(point.payload.id);
          const isDerived = id === lightRagId(source, record);
          const to = isDerived ? lightRagId(target, record) : id;
          const payload = { ...point.payload, [FIELD]: target };
          return [to, stringify({ ...point, id: isDerived ? to : point.id, payload }) ?? ''];
        }),
      ),
    ]),
  );
}

export interface ReIdRun {
  readonly plan: QdrantPlan;
  readonly ctx: Awaited<ReturnType<typeof loggedContext<QdrantWriter>>>;
  apply(): Promise<readonly Finding[]>;
  finalize(): Promise<readonly Finding[]>;
  undo(): Promise<void>;
}

/** A run of the stage step by step, as the orchestrator takes it. Each step returns the differences that verify sees. */
export async function reIdRun(
  store: QdrantWriter,
  move: Move,
  options: Partial<StageOptions> = {},
  onNote: (text: string) => void = () => undefined,
): Promise<ReIdRun> {
  const logged = await loggedContext(store, { options });
  const ctx: typeof logged = {
    ...logged,
    emit: (event) => (event.type === 'note' ? onNote(event.text) : logged.emit(event)),
  };
  const plan = await planOf(store, move, options);
  if (plan.problems.length > 0) throw new Error(`refused: ${plan.problems.map(({ message }) => message).join(', ')}`);
  const differences = async (phase: 'applied' | 'finalized') =>
    (await qdrantStage.verify(plan, phase, ctx)).filter(({ severity }) => severity === 'difference');
  return {
    plan,
    ctx,
    apply: async () => {
      await drain(qdrantStage.apply(plan, ctx));
      return differences('applied');
    },
    finalize: async () => {
      await drain(qdrantStage.finalize(plan, ctx));
      return differences('finalized');
    },
    undo: async () => void (await drain(qdrantStage.undo(plan, ctx))),
  };
}
