import pMap from 'p-map';
import { MigrateError } from '../../model/errors.ts';
import type { Move } from '../../model/move.ts';
import { parseNameTemplate } from '../../model/name-template.ts';
import { payloadPath } from '../../model/payload-path.ts';
import { strictRefusals } from '../../model/strict-refusals.ts';
import type { CollectionFacts } from '../../stores/qdrant/collection-facts.ts';
import type { QdrantReader, QdrantWriter } from '../../stores/qdrant/qdrant-reader.ts';
import type { PlanContext, Problem } from '../stage.ts';
import { servesBoth } from './field-forms.ts';
import { namesOf } from './named/names.ts';
import { COLLECTIONS_AT_ONCE, type Surveyed, survey } from './survey.ts';

/** The first version that knows tenant indexes. */
const OLDEST = [1, 11] as const;
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
    const holding = (await survey(moves, ctx)).filter((one) => isWrittenTo(one, moves, ctx));
    const problems = holding.flatMap(({ facts }) => [
      ...strictProblems(facts, field),
      ...unservedWrites(facts, moves, field),
    ]);
    return probe !== undefined && problems.length === 0 ? await tryToWrite(probe, holding) : problems;
  } catch (error) {
    return [problemOf(error)];
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

/** Holds points of a source, or is named after it. One that cannot be counted is the plan's to tell. */
function isWrittenTo({ facts, counts }: Surveyed, moves: readonly Move[], { profile }: PlanContext<unknown>): boolean {
  if (counts?.some(({ source }) => source > 0)) return true;
  const templates = profile.collectionTemplates.map(parseNameTemplate);
  return moves.some((move) => namesOf([facts.name], templates, move).claimed.length > 0);
}

function strictProblems(facts: CollectionFacts, field: string): readonly Problem[] {
  return strictRefusals(facts, field).map(({ message, fix }) => {
    return problem('strict-limit', `strict mode of ${facts.name} ${message}`, `${fix}, ${SKIP}`);
  });
}

/** Where every guarded write needs an index, and the one that stands cannot serve one of the ids. */
function unservedWrites({ name, limits, indexes }: CollectionFacts, moves: readonly Move[], field: string) {
  const index = indexes.get(field);
  // None at all is made first; one of a type that serves no id is refused above.
  if (!limits.writeNeedsIndex || (index?.type !== 'uuid' && index?.type !== 'integer')) return [];
  if (moves.every((move) => servesBoth(index, move))) return [];
  const message = `strict mode of ${name} refuses writes by ${field} where its index of type ${index.type} does not hold the id`;
  return [problem('strict-limit', message, `make the index on ${field} in ${name} one of type keyword, ${SKIP}`)];
}

/** A key may write to one collection and only read the next: each is tried, with a write that can match no point. */
async function tryToWrite(probe: QdrantWriter, holding: readonly Surveyed[]): Promise<readonly Problem[]> {
  const tried = await pMap(
    holding,
    async ({ facts: { name, customSharding, shardKeys } }): Promise<readonly Problem[]> => {
      // Without a shard there is nothing to write to.
      if (customSharding && shardKeys.length === 0) return [];
      try {
        await probe.tryToWrite(name, shardKeys);
        return [];
      } catch (error) {
        return [problemOf(error)];
      }
    },
    { concurrency: COLLECTIONS_AT_ONCE },
  );
  return tried.flat();
}

function problemOf(error: unknown): Problem {
  if (error instanceof MigrateError) return problem(error.code, error.message, error.next ?? SKIP);
  throw error;
}

function problem(code: string, message: string, fix: string): Problem {
  return { stage: 'qdrant', code, message, fix };
}
