import { fromText } from '../../model/byte-string.ts';
import { claimedPrefix, crossingProblem, parseKeyTemplate, templateProblem } from '../../model/key-template.ts';
import { type Move, moveText } from '../../model/move.ts';
import type { RedisServer } from '../../stores/redis/redis-server.ts';
import type { RedisReader, RedisWriter, RenamePair } from '../../stores/redis/redis-store.ts';
import type { PlanContext, Problem } from '../stage.ts';

/** Least free memory for a rename between Dragonfly's shards, which serialises the value on both sides. */
const LEAST_HEADROOM_BYTES = 64 << 20;
const LEAST_HEADROOM_SHARE = 0.1;

/** See the contract. The probe renames keys that do not exist, which changes nothing. */
export async function preflightRedis(
  moves: readonly Move[],
  ctx: PlanContext<RedisReader>,
  probe?: RedisWriter,
): Promise<readonly Problem[]> {
  const server = await ctx.store.server();
  const problems = [...serverProblems(server, ctx.store.address), ...templateProblems(moves, ctx)];
  if (problems.length > 0) return problems;
  const denied = probe === undefined ? await deniedByAcl(moves, ctx) : await deniedByProbe(moves, ctx, probe);
  return denied === undefined ? [] : [denied];
}

/** What the server's state forbids. */
export function serverProblems(server: RedisServer, address: string): readonly Problem[] {
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
  if (server.cluster && server.product !== 'dragonfly') {
    problem('cluster', 'is a Redis Cluster, which this version does not move', 'leave it out with --skip-redis');
  }
  if (server.product === 'dragonfly' && server.maxMemory > 0) {
    const headroom = server.maxMemory - server.usedMemory;
    const needed = Math.max(LEAST_HEADROOM_BYTES, server.maxMemory * LEAST_HEADROOM_SHARE);
    if (headroom < needed) {
      problem(
        'memory',
        `is a Dragonfly with ${mebibytes(headroom)} free of ${mebibytes(server.maxMemory)}: a rename that runs out of memory there loses the key`,
        `free memory or raise maxmemory until ${mebibytes(needed)} are free`,
      );
    }
  }
  return problems;
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / (1 << 20)).toLocaleString('en')} MiB`;
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

async function deniedByAcl(moves: readonly Move[], ctx: PlanContext<RedisReader>): Promise<Problem | undefined> {
  const refusal = await ctx.store.refusedRename(probePairs(moves, ctx));
  return refusal === undefined ? undefined : denied(ctx.store.address, refusal);
}

async function deniedByProbe(
  moves: readonly Move[],
  ctx: PlanContext<RedisReader>,
  probe: RedisWriter,
): Promise<Problem | undefined> {
  const outcomes = await probe.rename(probePairs(moves, ctx));
  const refusal = outcomes.find((outcome) => typeof outcome === 'object');
  return typeof refusal === 'object' ? denied(ctx.store.address, refusal.failed) : undefined;
}

/** A key that does not exist for each template, and what it would become. */
function probePairs(moves: readonly Move[], ctx: PlanContext<RedisReader>): readonly RenamePair[] {
  const random = `tenant-migrate-absent-${ctx.clock.now().toString(36)}-${ctx.options.seed}`;
  return moves.flatMap(({ source, target }) =>
    ctx.profile.keyTemplates
      .map(parseKeyTemplate)
      .map((template) => {
        const rest = template.open ? random : '';
        return {
          from: claimedPrefix(template, fromText(source)) + rest,
          to: claimedPrefix(template, fromText(target)) + rest,
        };
      })
      .filter(({ from }) => from.endsWith(random)),
  );
}

function denied(address: string, reason: string): Problem {
  return {
    stage: 'redis',
    code: 'denied',
    message: `Redis at ${address} does not let this user rename the tenant's keys: ${reason}`,
    fix: 'give the user RENAMENX with %RW~ on the source and %W~ on the target keys (MIGRATION.md, "Rights"), or --skip-redis',
  };
}
