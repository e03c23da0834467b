import { DRAGONFLY_HEADROOM, isShortForRenames } from '../../model/dragonfly-headroom.ts';
import { crossingProblem, parseKeyTemplate, templateProblem } from '../../model/key-template.ts';
import { type Move, moveText } from '../../model/move.ts';
import type { RedisServer } from '../../stores/redis/redis-server.ts';
import type { RedisReader, RedisWriter } from '../../stores/redis/redis-store.ts';
import type { PlanContext, Problem } from '../stage.ts';
import { keyDenials } from './key-rights.ts';
import { mebibytes } from './mebibytes.ts';
import { copiesOf, type RedisMode } from './redis-mode.ts';
import { deniedToRewrite } from './value-rights.ts';

/**
 * See the contract. Reads, and in a real run renames and removes keys that do not exist, and renames the one key of a
 * template to its own name: neither changes anything.
 */
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
  if (ctx.options.onConflict === 'overwrite' && (copies !== 'none' || ctx.store.cluster))
    return [noOverwrite(ctx.store.address)];
  const denials = await keyDenials(moves, { copies, probe }, ctx);
  if (denials.withoutValues) return denials.problems;
  const values = await deniedToRewrite(moves, ctx, { server, probe });
  return values === undefined ? denials.problems : [...denials.problems, values];
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
