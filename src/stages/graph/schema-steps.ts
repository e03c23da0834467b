import { MigrateError } from '../../model/errors.ts';
import type { Json } from '../../model/json.ts';
import type { Move } from '../../model/move.ts';
import type { GraphReader, GraphWriter } from '../../stores/graph/graph-store.ts';
import type { SchemaItem } from '../../stores/graph/schema-reading.ts';
import type { ApplyContext, Checkpoint, Finding, PlanContext } from '../stage.ts';
import { type SchemaStep, signatureOf } from './schema-plan.ts';

/** What the undo log holds of the schema: a type and not an interface, so that it is JSON. */
export type SchemaEntry = {
  readonly move: { readonly source: string; readonly target: string };
  /** `made`: the target's, to be dropped again. `dropped`: the source's, to be made again. */
  readonly schema: 'made' | 'dropped';
  readonly signature: string;
  readonly create: string;
  /** Known from a backup alone: whether the run made it stands in its plan. */
  readonly guessed?: boolean;
};

/** Makes the target's indexes and constraints, and waits until they answer, before a node is moved. */
export async function* makeSchema(
  move: Move,
  steps: readonly SchemaStep[],
  ctx: ApplyContext<GraphWriter>,
): AsyncGenerator<Checkpoint> {
  // Rules first: one that the target's data break ends the run before anything else is made.
  const order = [...steps].sort((a, b) => Number(a.kind === 'index') - Number(b.kind === 'index'));
  const standing = steps.every(({ exists }) => exists) ? [] : await ctx.store.schema();
  for (const { to, exists } of order) {
    if (exists || find(standing, to.signature) !== undefined) continue;
    yield* one(move, { schema: 'made', ...pick(to), statement: to.create }, ctx);
  }
  await online(
    steps.map(({ to }) => to.signature),
    ctx,
  );
}

/** Drops what the source no longer needs. Throws where nodes have come to it since, or the target's does not answer. */
export async function* dropSchema(
  move: Move,
  steps: readonly SchemaStep[],
  ctx: ApplyContext<GraphWriter>,
): AsyncGenerator<Checkpoint> {
  for (const { entity, from, to, shared } of steps) {
    const schema = await ctx.store.schema();
    const standing = find(schema, from.signature);
    if (shared || standing === undefined) continue;
    await refuseWhileNeeded(move, { entity, served: find(schema, to.signature), name: from.name }, ctx.store);
    yield* one(move, { schema: 'dropped', ...pick(from), statement: standing.drop ?? from.drop }, ctx);
  }
}

/** Takes one entry back: what was dropped is made again, what was made is dropped. Resolves to whether anything changed. */
export async function undoSchema(entry: SchemaEntry, ctx: ApplyContext<GraphWriter>): Promise<boolean> {
  const { move, signature, create } = entry;
  const standing = find(await ctx.store.schema(), signature);
  if (entry.schema === 'dropped') {
    if (standing !== undefined) return false;
    await alter({ move, signature, statement: create, present: true }, ctx.store);
    await online([signature], ctx);
    return true;
  }
  if (standing?.drop === undefined) return false;
  await alter({ move, signature, statement: standing.drop, present: false }, ctx.store);
  return true;
}

/** What the target lacks, and after finalize what the source still has. */
export async function verifySchema(
  { move, steps }: { readonly move: Move; readonly steps: readonly SchemaStep[] },
  finalized: boolean,
  store: GraphReader,
): Promise<readonly Finding[]> {
  if (steps.length === 0) return [];
  const schema = await store.schema();
  const difference = (kind: string, names: readonly string[], message: string): readonly Finding[] => {
    if (names.length === 0) return [];
    const where = `:${move.target}`;
    return [
      { stage: 'graph', kind, severity: 'difference', message, where, count: names.length, samples: [...names].sort() },
    ];
  };
  const missing = steps.filter(({ to }) => find(schema, to.signature)?.state !== 'online');
  const left = steps.filter(({ from, shared }) => finalized && !shared && find(schema, from.signature) !== undefined);
  const name = ({ from }: SchemaStep): string => from.name ?? from.create;
  return [
    ...difference(
      'schema',
      missing.map(name),
      `${missing.length} of the source’s ${steps.length} indexes and constraints are not there for the target`,
    ),
    ...difference('schema-left', left.map(name), `${left.length} indexes and constraints are still at the source`),
  ];
}

/** Whether the undo log's entry is one of these. */
export function isSchemaEntry(entry: Json): boolean {
  const { schema, signature, create } = (entry ?? {}) as Partial<SchemaEntry>;
  return (schema === 'made' || schema === 'dropped') && typeof signature === 'string' && typeof create === 'string';
}

const find = (schema: readonly SchemaItem[], signature: string): SchemaItem | undefined =>
  schema.find((item) => signatureOf(item) === signature);

const pick = ({ signature, create }: { readonly signature: string; readonly create: string }) => ({
  signature,
  create,
});

/** Logs the change, then sends it. */
async function* one(
  move: Move,
  { statement, ...change }: Omit<SchemaEntry, 'move'> & { readonly statement: string },
  ctx: ApplyContext<GraphWriter>,
): AsyncGenerator<Checkpoint> {
  await ctx.permit(1);
  const { source, target } = move;
  const entry: SchemaEntry = { move: { source, target }, ...change };
  const batch = await ctx.undo.append([entry]);
  await alter({ move, signature: change.signature, statement, present: change.schema === 'made' }, ctx.store);
  yield { batch, moved: 0 };
}

function alter(
  {
    move,
    signature,
    statement,
    present,
  }: { readonly move: Move; readonly signature: string; readonly statement: string; readonly present: boolean },
  store: GraphWriter,
): Promise<void> {
  return store.alterSchema({
    move,
    statement,
    isDone: (schema) => (find(schema, signature) !== undefined) === present,
  });
}

/** Only ours are looked at: those of other tenants may take long, or have failed long ago. */
async function online(signatures: readonly string[], ctx: PlanContext<GraphWriter>): Promise<void> {
  if (signatures.length === 0) return;
  const isReady = (schema: readonly SchemaItem[]): boolean => {
    const ours = signatures.map((signature) => find(schema, signature));
    if (ours.includes(undefined)) throw broken('is gone again: somebody drops what this run makes', ctx);
    const failed = ours.find((item) => item?.state === 'failed');
    if (failed !== undefined) throw broken(`${failed.name} has failed`, ctx);
    return ours.every((item) => item?.state === 'online');
  };
  await ctx.store.awaitSchema(isReady, ctx.signal);
}

function broken(what: string, { store }: PlanContext<GraphWriter>): MigrateError {
  return new MigrateError('store', `an index for the target at ${store.address} ${what}`, {
    stage: 'graph',
    store: store.address,
    next: 'see SHOW INDEXES on the server, drop what has failed, then run the same command again',
  });
}

async function refuseWhileNeeded(
  { source }: Move,
  {
    entity,
    served,
    name,
  }: { entity: 'node' | 'relationship'; served: SchemaItem | undefined; name?: string | undefined },
  store: GraphReader,
): Promise<void> {
  const left = entity === 'node' ? (await store.counts([[source]]))[0] : (await store.typeCounts([source]))[0];
  const what = `the source’s ${name ?? 'index'} stays`;
  const why =
    served?.state !== 'online'
      ? 'the target’s is not there any more'
      : (left ?? 0) > 0
        ? `${left} ${entity}s have come to the source since it was verified`
        : undefined;
  if (why === undefined) return;
  throw new MigrateError('store', `${what}: ${why}`, {
    stage: 'graph',
    store: store.address,
    next: 'let the application use the new id, then run the same command again',
  });
}
