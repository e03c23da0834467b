import { fromText } from '../../model/byte-string.ts';
import { DRAGONFLY_HEADROOM, isShortForRenames } from '../../model/dragonfly-headroom.ts';
import { claimedPrefix, crossingProblem, parseKeyTemplate, templateProblem } from '../../model/key-template.ts';
import { type Move, moveText } from '../../model/move.ts';
import type { RedisServer } from '../../stores/redis/redis-server.ts';
import type { RedisReader, RedisWriter, RenamePair } from '../../stores/redis/redis-store.ts';
import type { PlanContext, Problem } from '../stage.ts';
import { mebibytes } from './mebibytes.ts';
import { copiesOf, isCopied, type RedisMode } from './redis-mode.ts';
import { refusalOf } from './refusal-of.ts';
import { deniedToRewrite } from './value-rights.ts';

/** See the contract. Reads, and in a real run renames and removes, keys that do not exist, which changes nothing. */
export async function preflightRedis(
  moves: readonly Move[],
  ctx: PlanContext<RedisReader>,
  probe?: RedisWriter,
): Promise<readonly Problem[]> {
  const server = await ctx.store.server();
  const mode = ctx.options.redisMode ?? 'auto';
  const problems = [...serverProblems(server, ctx.store.address, mode), ...templateProblems(moves, ctx)];
  if (problems.length > 0) return problems;
  const copies = copiesOf(mode, server);
  const all = probePairs(moves, ctx);
  const copied = copies === 'when-short' ? all : all.filter((pair) => isCopied(pair, copies, ctx.store));
  const copy = copied.length === 0 ? [] : [await deniedToCopy(copied, ctx, probe)];
  const pairs = all.filter((pair) => ctx.store.renamable(pair) && !isCopied(pair, copies, ctx.store));
  const rename = await deniedToRename(pairs, RENAME, ctx, probe);
  // Where it may not go back, the move is not begun: no rollback could end it.
  const back = pairs.map(({ from, to }) => ({ from: to, to: from }));
  const takeBack = rename === undefined ? await deniedToRename(back, RENAME_BACK, ctx, probe) : undefined;
  const read = ctx.options.verify === 'counts' ? undefined : await deniedToRead(all, ctx);
  const both = (ctx.options.merge || ctx.options.continuing) && !ctx.store.cluster;
  const remove = both ? await deniedToRemove(pairs, ctx, probe) : undefined;
  if (ctx.options.onConflict === 'overwrite' && (copies !== 'none' || ctx.store.cluster))
    return [noOverwrite(ctx.store.address)];
  const overwrite = ctx.options.onConflict === 'overwrite' ? await deniedToOverwrite(pairs, ctx, probe) : undefined;
  const denials = [rename, takeBack, read, remove, overwrite, ...copy].filter((problem) => problem !== undefined);
  // What a user may not do with keys it may not do with their values: told once.
  if ((rename ?? takeBack ?? read) !== undefined) return denials;
  const values = await deniedToRewrite(moves, ctx, { server, probe });
  return values === undefined ? denials : [...denials, values];
}

/** What the server's state forbids. */
export function serverProblems(server: RedisServer, address: string, mode: RedisMode = 'auto'): readonly Problem[] {
  const problems: Problem[] = [];
  const problem = (code: string, message: string, fix: string) => {
    problems.push({ stage: 'redis', code, message: `Redis at ${address} ${message}`, fix });
  };
  if (server.loading) problem('loading', 'is still loading its data', 'wait until it is ready, then try again');
  if (server.role !== 'master') {
    problem(
      'readonly',
      `is a ${server.role}, which refuses writes`,
      'give --redis-host and --redis-port of the master',
    );
  }
  if (server.down !== undefined) {
    problem(
      'cluster',
      `is a Redis Cluster that does not serve all keys: ${server.down}`,
      'mend the cluster, or leave it out with --skip-redis',
    );
  }
  if (mode === 'rename' && server.product === 'dragonfly' && isShortForRenames(server)) {
    const { usedMemory, maxMemory } = server;
    const free =
      maxMemory === 0
        ? 'that tells no limit of its memory'
        : `with ${mebibytes(maxMemory - usedMemory)} free of ${mebibytes(maxMemory)}`;
    const needed = `${DRAGONFLY_HEADROOM * 100} % (${mebibytes(maxMemory * DRAGONFLY_HEADROOM)})`;
    problem(
      'memory',
      `is a Dragonfly ${free}: a rename that runs out of memory there loses the key`,
      `free memory or raise maxmemory until ${needed} are free, or let --redis-mode auto copy the keys`,
    );
  }
  return problems;
}

/** What is overwritten by a rename goes and comes in one transaction; a copy has none over two slots. */
function noOverwrite(address: string): Problem {
  return {
    stage: 'redis',
    code: 'overwrite',
    message: `Redis at ${address} has its keys copied, or is a cluster or a Dragonfly: there no key of the target can be overwritten`,
    fix: 'remove one side of each conflict by hand, or keep both with --on-conflict skip',
  };
}

function templateProblems(moves: readonly Move[], ctx: PlanContext<RedisReader>): readonly Problem[] {
  const templates = [...ctx.profile.keyTemplates, ...ctx.profile.configKeyTemplates].map(parseKeyTemplate);
  const problem = (message: string): Problem => ({
    stage: 'redis',
    code: 'template',
    message,
    fix: 'choose another target id or another --key-template',
  });
  const single = moves.flatMap((move): Problem[] => {
    const message = templateProblem(templates, move);
    return message === undefined ? [] : [problem(`${moveText(move)}: ${message}`)];
  });
  if (single.length > 0) return single;
  const crossing = crossingProblem(templates, moves);
  return crossing === undefined ? [] : [problem(crossing)];
}

/** Asked of the server, which tells only some users; in a real run tried. */
async function deniedToRename(
  pairs: readonly RenamePair[],
  what: Omit<Denied, 'refusal'>,
  ctx: PlanContext<RedisReader>,
  probe: RedisWriter | undefined,
): Promise<Problem | undefined> {
  const told = probe === undefined ? await ctx.store.refusedRename(pairs) : await triedRename(pairs, probe);
  return told === undefined ? undefined : denied(ctx.store.address, { ...what, refusal: told });
}

async function triedRename(pairs: readonly RenamePair[], probe: RedisWriter): Promise<string | undefined> {
  const refusal = (await probe.rename(pairs)).find((outcome) => typeof outcome === 'object');
  return typeof refusal === 'object' ? refusal.failed : undefined;
}

async function deniedToRead(pairs: readonly RenamePair[], ctx: PlanContext<RedisReader>): Promise<Problem | undefined> {
  const refusal = await refusalOf(ctx.store.fingerprints(pairs.map(({ to }) => to)));
  return refusal === undefined ? undefined : denied(ctx.store.address, { ...READ, refusal });
}

/** Whether keys could be copied, and their sources removed; the latter two are tried in a real run only. */
async function deniedToCopy(
  pairs: readonly RenamePair[],
  ctx: PlanContext<RedisReader>,
  probe: RedisWriter | undefined,
): Promise<Problem | undefined> {
  const { address } = ctx.store;
  const dump = await refusalOf(ctx.store.dumps(pairs.flatMap(({ from, to }) => [from, to])));
  if (dump !== undefined) return denied(address, { ...COPY, refusal: dump });
  if (probe === undefined) return undefined;
  const refusals = await Promise.all(
    pairs.flatMap(({ from, to }) => [
      probe.refusedRestore(to),
      refusalOf(probe.unlinkUnwritten([from], () => Promise.resolve([from]))),
    ]),
  );
  const refusal = refusals.find((text) => text !== undefined);
  return refusal === undefined ? undefined : denied(address, { ...COPY, refusal });
}

/** Whether equal keys could be logged and removed at the source; the removing is tried in a real run only. */
async function deniedToRemove(
  pairs: readonly RenamePair[],
  ctx: PlanContext<RedisReader>,
  probe: RedisWriter | undefined,
): Promise<Problem | undefined> {
  const names = pairs.map(({ from }) => from);
  if (names.length === 0) return undefined;
  const dump = await refusalOf(ctx.store.dumps(names));
  if (dump !== undefined) return denied(ctx.store.address, { ...DUMP, refusal: dump });
  const watched = pairs.flatMap(({ from, to }) => [from, to]);
  const unlink = probe && (await refusalOf(probe.unlinkUnwritten(watched, () => Promise.resolve(names))));
  return unlink === undefined ? undefined : denied(ctx.store.address, { ...UNLINK, refusal: unlink });
}

/** Whether targets could be logged and overwritten, and put back; the latter two are tried in a real run only. */
async function deniedToOverwrite(
  pairs: readonly RenamePair[],
  ctx: PlanContext<RedisReader>,
  probe: RedisWriter | undefined,
): Promise<Problem | undefined> {
  if (pairs[0] === undefined) return undefined;
  const { address } = ctx.store;
  const dump = await refusalOf(ctx.store.dumps(pairs.map(({ to }) => to)));
  if (dump !== undefined) return denied(address, { ...DUMP_TARGET, refusal: dump });
  if (probe === undefined) return undefined;
  const rename = await refusalOf(
    probe.overwriteUnwritten(
      pairs,
      async () => pairs,
      async () => true,
    ),
  );
  if (rename !== undefined) return denied(address, { ...OVERWRITE, refusal: rename });
  const restore = await probe.refusedRestore(pairs[0].to);
  return restore === undefined ? undefined : denied(address, { ...RESTORE, refusal: restore });
}

/** Keys that do not exist, one of each template for each master, and what they would become. */
function probePairs(moves: readonly Move[], ctx: PlanContext<RedisReader>): readonly RenamePair[] {
  const random = `tenant-migrate-absent-${ctx.clock.now().toString(36)}-${ctx.options.seed}`;
  // In a cluster one that is renamed and one that is copied.
  const rests = ctx.store.tags.flatMap((tag, index) => (tag === '' ? [random] : [random + tag, `${random}-${index}`]));
  return moves.flatMap(({ source, target }) =>
    ctx.profile.keyTemplates
      .map(parseKeyTemplate)
      .filter(({ open }) => open)
      .flatMap((template) =>
        rests.map((rest) => ({
          from: claimedPrefix(template, fromText(source)) + rest,
          to: claimedPrefix(template, fromText(target)) + rest,
        })),
      ),
  );
}

interface Denied {
  /** What was tried, with its commands. */
  readonly what: string;
  readonly fix: string;
  readonly refusal: string;
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

function denied(address: string, { what, fix, refusal }: Denied): Problem {
  const message = `Redis at ${address} does not let this user ${what}: ${refusal}`;
  return { stage: 'redis', code: 'denied', message, fix };
}
