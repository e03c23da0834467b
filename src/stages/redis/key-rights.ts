import type { Move } from '../../model/move.ts';
import type { RedisReader, RedisWriter } from '../../stores/redis/redis-store.ts';
import type { PlanContext, Problem } from '../stage.ts';
import { backwards, type ProbePair, probePairs } from './probe-pairs.ts';
import { type Copies, isCopied } from './redis-mode.ts';
import { refusalOf } from './refusal-of.ts';

interface Trying {
  readonly copies: Copies;
  readonly probe: RedisWriter | undefined;
}

/** What this user may not do with the tenants' keys. */
export interface KeyDenials {
  readonly problems: readonly Problem[];
  /** Whether that forbids the same with their values, which is then told once. */
  readonly withoutValues: boolean;
}

/** Whether this user may move the keys of each template, and take them back: asked, and in a real run tried. */
export async function keyDenials(
  moves: readonly Move[],
  { copies, probe }: Trying,
  ctx: PlanContext<RedisReader>,
): Promise<KeyDenials> {
  const { merge, continuing, verify, onConflict } = ctx.options;
  const all = probePairs(moves, ctx);
  const copied = copies === 'when-short' ? all : all.filter((pair) => isCopied(pair, copies, ctx.store));
  const copy = copied.length === 0 ? undefined : await deniedToCopy(copied, ctx, probe);
  const pairs = all.filter((pair) => ctx.store.renamable(pair) && !isCopied(pair, copies, ctx.store));
  const rename = await deniedToRename(pairs, RENAME, ctx, probe);
  // Where it may not go back, the move is not begun: no rollback could end it.
  const takeBack = rename === undefined ? await deniedToRename(backwards(pairs), RENAME_BACK, ctx, probe) : undefined;
  const read = verify === 'counts' ? undefined : await deniedToRead(all, ctx);
  const both = (merge || continuing) && !ctx.store.cluster;
  const remove = both ? await deniedToRemove(pairs, ctx, probe) : undefined;
  const overwrite = onConflict === 'overwrite' ? await deniedToOverwrite(pairs, ctx, probe) : undefined;
  return {
    problems: [rename, takeBack, read, remove, overwrite, copy].filter((problem) => problem !== undefined),
    withoutValues: (rename ?? takeBack ?? read) !== undefined,
  };
}

/** Asked of the server, which tells only some users; in a real run tried. */
async function deniedToRename(
  pairs: readonly ProbePair[],
  what: Omit<Denied, 'refusals'>,
  ctx: PlanContext<RedisReader>,
  probe: RedisWriter | undefined,
): Promise<Problem | undefined> {
  const refusals =
    probe === undefined
      ? await ctx.store.refusals(pairs.map(({ from, to }) => ['RENAMENX', from, to]))
      : await triedRenames(pairs, probe);
  return denied(ctx.store.address, { ...what, refusals: ofShapes(refusals, pairs) });
}

/** A key that may be there is renamed to its own name, as its target is: that needs the same rights and changes nothing. */
async function triedRenames(pairs: readonly ProbePair[], probe: RedisWriter): Promise<readonly (string | undefined)[]> {
  const same = (key: string) => ({ from: key, to: key });
  const ways = pairs.map(({ absent, from, to }) => (absent ? [{ from, to }] : [same(from), same(to)]));
  const outcomes = (await probe.rename(ways.flat())).values();
  return ways.map((way) => {
    const refused = way.map(() => outcomes.next().value).find((outcome) => typeof outcome === 'object');
    return typeof refused === 'object' ? refused.failed : undefined;
  });
}

async function deniedToRead(pairs: readonly ProbePair[], ctx: PlanContext<RedisReader>): Promise<Problem | undefined> {
  const refusal = await refusalOf(ctx.store.fingerprints(pairs.map(({ to }) => to)));
  return denied(ctx.store.address, { ...READ, refusals: ofAll(refusal) });
}

/** Whether keys could be copied, and their sources removed: the latter two are asked, and in a real run tried. */
async function deniedToCopy(
  pairs: readonly ProbePair[],
  ctx: PlanContext<RedisReader>,
  probe: RedisWriter | undefined,
): Promise<Problem | undefined> {
  const { address } = ctx.store;
  const dump = await refusalOf(ctx.store.dumps(pairs.flatMap(({ from, to }) => [from, to])));
  if (dump !== undefined) return denied(address, { ...COPY, refusals: ofAll(dump) });
  const restores = await restoreRefusals(pairs, ctx, probe);
  const removals = await removalRefusals(pairs, ctx, probe);
  const refusals = pairs.map((_, index) => restores[index] ?? removals[index]);
  return denied(address, { ...COPY, refusals: ofShapes(refusals, pairs) });
}

async function restoreRefusals(
  pairs: readonly ProbePair[],
  ctx: PlanContext<RedisReader>,
  probe: RedisWriter | undefined,
): Promise<readonly (string | undefined)[]> {
  if (probe !== undefined) return Promise.all(pairs.map(({ to }) => probe.refusedRestore(to)));
  return ctx.store.refusals(pairs.map(({ to }) => ['RESTORE', to, '0', '']));
}

/** Tried on keys that do not exist, in one transaction where that may be; a key that may be there is asked for. */
async function removalRefusals(
  pairs: readonly ProbePair[],
  ctx: PlanContext<RedisReader>,
  probe: RedisWriter | undefined,
): Promise<readonly (string | undefined)[]> {
  const untried = probe === undefined ? pairs : pairs.filter(({ absent }) => !absent);
  const asked = await ctx.store.refusals(untried.map(({ from }) => ['UNLINK', from]));
  if (probe === undefined) return asked;
  const removal = (keys: readonly string[]) => refusalOf(probe.unlinkUnwritten(keys, () => Promise.resolve(keys)));
  const absent = pairs.filter((pair) => pair.absent).map(({ from }) => from);
  const together = !ctx.store.cluster && (absent.length === 0 || (await removal(absent)) === undefined);
  return Promise.all(
    pairs.map((pair) => {
      if (!pair.absent) return asked[untried.indexOf(pair)];
      return together ? undefined : removal([pair.from]);
    }),
  );
}

/** Whether equal keys could be logged and removed at the source; the removing is asked, and in a real run tried. */
async function deniedToRemove(
  pairs: readonly ProbePair[],
  ctx: PlanContext<RedisReader>,
  probe: RedisWriter | undefined,
): Promise<Problem | undefined> {
  if (pairs.length === 0) return undefined;
  const { address } = ctx.store;
  const dump = await refusalOf(ctx.store.dumps(pairs.map(({ from }) => from)));
  if (dump !== undefined) return denied(address, { ...DUMP, refusals: ofAll(dump) });
  const refusals = await removalRefusals(pairs, ctx, probe);
  return denied(address, { ...UNLINK, refusals: ofShapes(refusals, pairs) });
}

/** Whether targets could be logged and overwritten, and put back: the latter two are asked, and in a real run tried. */
async function deniedToOverwrite(
  pairs: readonly ProbePair[],
  ctx: PlanContext<RedisReader>,
  probe: RedisWriter | undefined,
): Promise<Problem | undefined> {
  if (pairs.length === 0) return undefined;
  const { address } = ctx.store;
  const dump = await refusalOf(ctx.store.dumps(pairs.map(({ to }) => to)));
  if (dump !== undefined) return denied(address, { ...DUMP_TARGET, refusals: ofAll(dump) });
  const untried = probe === undefined ? pairs : pairs.filter(({ absent }) => !absent);
  const asked = ofShapes(await ctx.store.refusals(untried.map(({ from, to }) => ['RENAME', from, to])), untried);
  const absent = pairs.filter((pair) => pair.absent);
  const tried = probe === undefined || absent.length === 0 ? undefined : await triedOverwriting(absent, probe);
  const overwrite = asked.length > 0 ? asked : ofAll(tried);
  if (overwrite.length > 0) return denied(address, { ...OVERWRITE, refusals: overwrite });
  const refusals = await restoreRefusals(pairs, ctx, probe);
  return denied(address, { ...RESTORE, refusals: ofShapes(refusals, pairs) });
}

function triedOverwriting(pairs: readonly ProbePair[], probe: RedisWriter): Promise<string | undefined> {
  const overwriting = probe.overwriteUnwritten(
    pairs,
    async () => pairs,
    async () => true,
  );
  return refusalOf(overwriting);
}

/** What was refused, and for which keys; absent where that is not known. */
interface Refusal {
  readonly text: string;
  readonly shape?: string;
}

function ofShapes(refusals: readonly (string | undefined)[], pairs: readonly ProbePair[]): readonly Refusal[] {
  return pairs.flatMap(({ shapes }, index) => {
    const text = refusals[index];
    return text === undefined ? [] : [{ text, shape: shapes.from }];
  });
}

function ofAll(text: string | undefined): readonly Refusal[] {
  return text === undefined ? [] : [{ text }];
}

/** Shapes of keys in one message. */
const MOST_NAMED = 5;

interface Denied {
  /** What was tried, with its commands. */
  readonly what: string;
  readonly fix: string;
  /** None where nothing was refused. */
  readonly refusals: readonly Refusal[];
}

const RENAME = {
  what: "rename the tenant's keys (RENAMENX)",
  fix: 'give the user RENAMENX with %RW~ on the source and %W~ on the target keys (MIGRATION.md, "Rights"), or --skip-redis',
};
const RENAME_BACK = {
  what: "rename the tenant's keys back, which a rollback needs (RENAMENX)",
  fix: 'give the user %RW~ on the target keys and %W~ on the source keys, too (MIGRATION.md, "Rights"), or --skip-redis',
};
const COPY = {
  what: 'copy the keys and remove their sources (DUMP, RESTORE, WATCH, MULTI, UNLINK, EXEC)',
  fix: 'give the user DUMP, RESTORE, UNLINK on the keys of both tenants, and WATCH, MULTI, EXEC (MIGRATION.md, "Rights")',
};
const READ = {
  what: "read the target's keys (TYPE, PEXPIRETIME or PTTL), by which the move is verified",
  fix: 'give the user %R~ on the target keys, too (MIGRATION.md, "Rights"), or compare counts only with --verify counts',
};
const DUMP = {
  what: "log the source's keys before it removes those that stand at both ends (DUMP)",
  fix: 'give the user DUMP on the source keys (MIGRATION.md, "Rights")',
};
const UNLINK = {
  what: "remove the source's keys that stand at both ends (WATCH, MULTI, UNLINK, EXEC)",
  fix: 'give the user WATCH, MULTI, EXEC, and UNLINK on the source keys (MIGRATION.md, "Rights")',
};
const DUMP_TARGET = {
  what: "log the target's keys before it overwrites them (DUMP)",
  fix: 'give the user DUMP on the target keys (MIGRATION.md, "Rights")',
};
const OVERWRITE = {
  what: "overwrite the target's keys (WATCH, MULTI, RENAME, EXEC)",
  fix: 'give the user WATCH, MULTI, EXEC, and RENAME on the keys of both tenants (MIGRATION.md, "Rights")',
};
const RESTORE = {
  what: "restore the target's keys, which a rollback needs (RESTORE)",
  fix: 'give the user RESTORE on the target keys (MIGRATION.md, "Rights")',
};

function denied(address: string, { what, fix, refusals }: Denied): Problem | undefined {
  const [first] = refusals;
  if (first === undefined) return undefined;
  const shapes = [...new Set(refusals.flatMap(({ shape }) => (shape === undefined ? [] : [`'${shape}'`])))];
  const rest = shapes.length > MOST_NAMED ? ` and ${shapes.length - MOST_NAMED} more` : '';
  const which = shapes.length === 0 ? '' : `, of ${shapes.slice(0, MOST_NAMED).join(', ')}${rest}`;
  const message = `Redis at ${address} does not let this user ${what}${which}: ${first.text}`;
  return { stage: 'redis', code: 'denied', message, fix };
}
