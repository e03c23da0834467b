import { MigrateError } from '../../model/errors.ts';
import type { Move } from '../../model/move.ts';
import { payloadPath } from '../../model/payload-path.ts';
import type { QdrantReader, QdrantWriter } from '../../stores/qdrant/qdrant-reader.ts';
import type { PlanContext, Problem } from '../stage.ts';
import { matchOf } from './field-forms.ts';
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
  if (payloadPath(field) === undefined)
    return [problem('unsupported', unusableField(field), `name another field with --qdrant-field, ${SKIP}`)];
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

function unusableField(field: string): string {
  if (/\[\d*\]/.test(field))
    return `the tenant field ${field} goes through an array: a write could not change one of its members alone`;
  return (
    `the tenant field ${field} is no payload path: names are joined by dots, ` +
    'and one with other characters than letters, digits, _ and - stands in double quotes'
  );
}

function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
}

function collectionProblems({ name, limits }: Surveyed['facts']): readonly Problem[] {
  const problems: Problem[] = [];
  if ((limits.filterMaxConditions ?? 2) < 2) {
    const message = `strict mode of collection ${name} allows one condition in a filter; a guarded write needs two`;
    problems.push(problem('unsupported', message, `raise filter_max_conditions of ${name} to 2, ${SKIP}`));
  }
  return problems;
}

/** Sets the field to the value it has, on a point that is not there: refused for a key that may only read. */
async function tryToWrite(probe: QdrantWriter, field: string, holding: readonly Surveyed[]): Promise<void> {
  const writable = holding.find(({ facts }) => !facts.limits.writeNeedsIndex || facts.indexes.has(field));
  const ends = writable?.counts?.find((counts) => counts.source > 0);
  if (writable === undefined || ends === undefined) return;
  const match = matchOf(field, ends.move.source, ends);
  const { name: collection, shardKeys } = writable.facts;
  await probe.setField({ collection, ids: [PROBE_ID], match, to: ends.move.source, shardKeys });
}

function problem(code: string, message: string, fix: string): Problem {
  return { stage: 'qdrant', code, message, fix };
}
