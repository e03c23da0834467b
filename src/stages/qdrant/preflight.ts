import { MigrateError } from '../../model/errors.ts';
import type { Move } from '../../model/move.ts';
import type { QdrantReader, QdrantWriter } from '../../stores/qdrant/qdrant-reader.ts';
import type { PlanContext, Problem } from '../stage.ts';
import { type Surveyed, survey } from './survey.ts';

/** The first version that knows tenant indexes. */
const OLDEST = [1, 11] as const;
/** An id that no application makes; the probe would change nothing even if it were there. */
const PROBE_ID = '"ffffffff-ffff-4fff-bfff-ffffffffffff"';
const SKIP = 'or leave this store out with --skip-qdrant';

/** Reaches the server, looks at what forbids a move, and with `probe` tries the right to write. */
export async function preflight(
  moves: readonly Move[],
  ctx: PlanContext<QdrantReader>,
  probe?: QdrantWriter,
): Promise<readonly Problem[]> {
  const field = ctx.profile.qdrantField;
  if (!/^[A-Za-z0-9_-]+$/.test(field))
    return [problem('unsupported', nestedField(field), `name another field with --qdrant-field, ${SKIP}`)];
  try {
    const version = await ctx.store.version();
    if (isTooOld(version)) {
      const message = `Qdrant at ${ctx.store.url} is version ${version}; ${OLDEST.join('.')} is the oldest that can be used`;
      return [problem('unsupported', message, `update the server, ${SKIP}`)];
    }
    const holding = (await survey(moves, ctx)).filter(({ counts }) => counts?.some(({ source }) => source > 0));
    const problems = holding.flatMap(({ facts }) => collectionProblems(facts));
    if (probe !== undefined && problems.length === 0) await tryToWrite(probe, field, holding);
    return problems;
  } catch (error) {
    if (error instanceof MigrateError) return [problem(error.code, error.message, error.next ?? SKIP)];
    throw error;
  }
}

function nestedField(field: string): string {
  return `the tenant field "${field}" is not the plain name of a top-level payload field; others are not supported yet`;
}

function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
}

function collectionProblems({ name, customSharding, limits }: Surveyed['facts']): readonly Problem[] {
  const problems: Problem[] = [];
  if (customSharding) {
    const message = `collection ${name} places its points by shard keys of the application: such points cannot be moved yet`;
    problems.push(problem('unsupported', message, 'move them by hand and leave this store out with --skip-qdrant'));
  }
  if ((limits.filterMaxConditions ?? 2) < 2) {
    const message = `strict mode of collection ${name} allows one condition in a filter; a guarded write needs two`;
    problems.push(problem('unsupported', message, `raise filter_max_conditions of ${name} to 2, ${SKIP}`));
  }
  return problems;
}

/** Sets the field to the value it has, on a point that is not there: refused for a key that may only read. */
async function tryToWrite(probe: QdrantWriter, field: string, holding: readonly Surveyed[]): Promise<void> {
  const writable = holding.find(({ facts }) => !facts.limits.writeNeedsIndex || facts.indexes.has(field));
  const source = writable?.counts?.find((counts) => counts.source > 0)?.move.source;
  if (writable === undefined || source === undefined) return;
  const match = { field, value: source };
  await probe.setField({ collection: writable.facts.name, ids: [PROBE_ID], match, to: source });
}

function problem(code: string, message: string, fix: string): Problem {
  return { stage: 'qdrant', code, message, fix };
}
