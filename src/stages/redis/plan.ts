import { type ByteString, fromText, toJson } from '../../model/byte-string.ts';
import { claimedPrefix, parseKeyTemplate } from '../../model/key-template.ts';
import type { Move } from '../../model/move.ts';
import type { RedisReader } from '../../stores/redis/redis-store.ts';
import type { PlanContext } from '../stage.ts';
import { knownTenants } from './ambiguous-keys.ts';
import { Census } from './census.ts';
import { copyNotices, copyProblems } from './copy-problems.ts';
import { moduleTypeNotices } from './module-types.ts';
import { type Copies, copiesOf } from './redis-mode.ts';
import type { RedisPlan } from './redis-plan.ts';
import { serverNotices } from './server-notice.ts';
import { TenantKeys } from './tenant-keys.ts';
import type { ValueRules } from './value-rules.ts';

const PROBE_COMMANDS = 500;
/** A rename costs the server and the client about this much more than a look-up of a missing key, a copied key so much. */
const RENAME_TO_PROBE = 1.5;
const COPY_TO_PROBE = 50;

/** Keys in one pipeline. */
export const DEFAULT_BATCH = 1_000;

/** Whether round trips, not the server's work, decide how long a move takes. */
export function isFar(roundTripMs: number): boolean {
  return roundTripMs > 5;
}

/** Keys of a page of SCAN: few round trips over a slow link, short stalls of the server over a fast one. */
export function scanCount(roundTripMs: number): number {
  return isFar(roundTripMs) ? 10_000 : 2_000;
}

/** See the contract: one scan of the keyspace, two where {@link knownTenants} says so. */
export async function planRedis(
  moves: readonly Move[],
  ctx: PlanContext<RedisReader>,
  rules: ValueRules,
): Promise<RedisPlan> {
  const [roundTrip, asked] = await Promise.all([ctx.store.roundTripMs(), ctx.store.server()]);
  const copies = copiesOf(ctx.options.redisMode ?? 'auto', asked);
  const { left, censusOf } = await neighbours({ moves, rules, copies, count: scanCount(roundTrip) }, ctx);
  // The probe goes out first and is answered before the scan: together they cost no round trip more.
  const [probe, { census, scanMs, anew }] = await Promise.all([
    ctx.store.probeMs(PROBE_COMMANDS, ownPrefix(moves, ctx)),
    readAll(censusOf, scanCount(roundTrip), ctx),
  ]);
  const server = anew ? await ctx.store.server() : asked;
  const found = census.found.reduce((sum, count) => sum + count, 0);
  const work = (found - census.copied) * RENAME_TO_PROBE + census.copied * COPY_TO_PROBE;
  const renamesMs = (work / PROBE_COMMANDS) * Math.max(0, probe - roundTrip);
  const counts = census.moveCounts();
  const shapes = census.shapes();
  const [samples, expiring, values, undoBytes] = await Promise.all([
    census.samples(),
    census.mostExpiring(),
    census.valueCounts(),
    census.undoSize.bytes(ctx.store, counts, ctx.options.batchSize ?? DEFAULT_BATCH),
  ]);
  return {
    stage: 'redis',
    unit: 'keys',
    moves: counts,
    shapes,
    conflicts: census.conflicts,
    occupied: census.occupied,
    mends: census.values.standing,
    notices: [
      ...serverNotices(server, copies),
      ...census.notices(),
      ...values.notices,
      ...copyNotices({ copies, copied: census.copied, server }, ctx),
      ...moduleTypeNotices(samples),
    ],
    problems: [...census.problems(server), ...(await copyProblems({ census, server }, ctx))],
    estimateMs: found === 0 ? 0 : Math.round(scanMs + renamesMs + roundTrip * 2),
    undoBytes,
    basis: {
      product: server.product,
      version: server.version,
      shapes: shapes.map(({ from }) => from).sort(),
    },
    ...(copies === 'none' ? {} : { copies, copied: census.copied }),
    templates: ctx.profile.keyTemplates,
    left: left.map(toJson),
    samples,
    expiring,
    sums: census.sums.toJson(),
    values: values.counts,
    server: { runId: server.runId, expiredKeys: server.expiredKeys, evictedKeys: server.evictedKeys },
  };
}

/** To whom keys are left, and a census of all others: where it must be known before which other tenants there are, it is. */
async function neighbours(
  {
    moves,
    rules,
    copies,
    count,
  }: { readonly moves: readonly Move[]; readonly rules: ValueRules; readonly copies: Copies; readonly count: number },
  ctx: PlanContext<RedisReader>,
) {
  const keys = TenantKeys.of(ctx.profile, moves);
  const leave = ctx.options.ambiguousKeys === 'leave';
  if (!leave && !keys.rivals.endless)
    return { left: [], censusOf: () => new Census(moves, { keys, copies, rules }, ctx) };
  const known = await knownTenants(keys, ctx, count);
  const left = leave ? [...known.keys()] : [];
  const rest = left.length === 0 ? keys : TenantKeys.of(ctx.profile, moves, left);
  return { left, censusOf: () => new Census(moves, { keys: rest, copies, rules, known }, ctx) };
}

/** What keys of the first source begin with: a user may be forbidden to name any others. */
function ownPrefix(moves: readonly Move[], ctx: PlanContext<RedisReader>): ByteString {
  const open = ctx.profile.keyTemplates.map(parseKeyTemplate).find((template) => template.open);
  return open === undefined ? '' : claimedPrefix(open, fromText(moves[0]?.source ?? ''));
}

/** Scans the keyspace into a census, into another where another server took over meanwhile. */
async function readAll(censusOf: () => Census, count: number, ctx: PlanContext<RedisReader>) {
  const start = performance.now();
  let census = censusOf();
  let anew = false;
  const onAnew = () => {
    census = censusOf();
    anew = true;
  };
  for await (const page of ctx.store.scan(count, onAnew)) {
    ctx.signal.throwIfAborted();
    await census.take(page);
  }
  await census.finish();
  return { census, scanMs: performance.now() - start, anew };
}
