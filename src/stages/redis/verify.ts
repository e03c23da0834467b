import { type ByteString, fromJson, printable } from '../../model/byte-string.ts';
import { grouped } from '../../model/grouped.ts';
import type { KeyFingerprint } from '../../stores/redis/redis-content.ts';
import type { RedisReader } from '../../stores/redis/redis-store.ts';
import type { Finding, PlanContext, VerifyPhase } from '../stage.ts';
import { type Owned, Owners } from './owners.ts';
import { isFar } from './plan.ts';
import type { RedisPlan } from './redis-plan.ts';
import { Repeats } from './repeats.ts';
import { replication } from './replication.ts';
import { sameKey } from './same-key.ts';
import { differingShapes, isSummed, ShapeSums } from './shape-sums.ts';
import { claimedShape } from './shapes.ts';
import type { ValueRules } from './value-rules.ts';
import { ValueCheck } from './verify-values.ts';

const CHUNK = 500;
const MOST_NAMED = 10;
/** Unlike the mover's: a page boundary that hides a key from one is elsewhere for the other. */
const SCAN_COUNT = { near: 3_000, far: 15_000 };

interface Verifying {
  readonly phase: VerifyPhase;
  readonly rules: ValueRules;
}

/**
 * See the contract. Reads keys by expressions of its own, not by the mover's claims. Where the server does not tell that
 * it was started anew meanwhile, once more: what either listing has found is told.
 */
export async function verifyRedis(
  plan: RedisPlan,
  how: Verifying,
  ctx: PlanContext<RedisReader>,
): Promise<readonly Finding[]> {
  const [{ runId }, first] = await Promise.all([ctx.store.server(), listAll(plan, how, ctx)]);
  const found = runId === '' ? [...first, ...(await listAll(plan, how, ctx))] : first;
  const distinct = new Map(found.map((finding) => [JSON.stringify(finding), finding]));
  const sampled = ctx.options.verify === 'counts' ? [] : await compareSamples(plan, ctx);
  return [...distinct.values(), ...sampled, ...(await replication(plan, ctx))];
}

/** What one listing of all keys finds. */
async function listAll(
  plan: RedisPlan,
  { phase, rules }: Verifying,
  ctx: PlanContext<RedisReader>,
): Promise<readonly Finding[]> {
  const count = isFar(await ctx.store.roundTripMs()) ? SCAN_COUNT.far : SCAN_COUNT.near;
  let seen = new Enumeration(plan, { phase, rules }, ctx);
  const onAnew = () => {
    seen = new Enumeration(plan, { phase, rules }, ctx);
  };
  for await (const page of ctx.store.scan(count, onAnew)) {
    ctx.signal.throwIfAborted();
    await seen.take(page);
  }
  await seen.finish();
  ctx.emit({ type: 'counted', stage: 'redis', ...seen.ends() });
  const [counts, sums] = await Promise.all([
    seen.counts(),
    ctx.options.verify === 'full' ? ctx.store.now().then((now) => seen.sums(now)) : [],
  ]);
  return [...seen.leftBehind(), ...counts, ...sums, ...seen.values.findings()];
}

class Enumeration {
  readonly #plan: RedisPlan;
  readonly #phase: VerifyPhase;
  readonly #ctx: PlanContext<RedisReader>;
  readonly #owners: Owners;
  readonly #rules: ValueRules;
  readonly values: ValueCheck;
  readonly #atTarget: number[];
  readonly #left = new Map<'absent' | 'equal' | 'different', { count: number; names: string[] }>();
  /** Keys that only the source has, one number for each move. */
  readonly #absent: number[];
  readonly #sums = new ShapeSums();
  readonly #repeats = new Repeats();
  #sources: (Owned & { readonly target: ByteString })[] = [];
  #targets: Owned[] = [];

  constructor(
    plan: RedisPlan,
    { phase, rules }: { readonly phase: VerifyPhase; readonly rules: ValueRules },
    ctx: PlanContext<RedisReader>,
  ) {
    this.#plan = plan;
    this.#phase = phase;
    this.#rules = rules;
    this.values = new ValueCheck(ctx.store);
    this.#ctx = ctx;
    this.#owners = new Owners(plan, ctx.profile);
    this.#atTarget = plan.moves.map(() => 0);
    this.#absent = plan.moves.map(() => 0);
  }

  async take(page: readonly ByteString[]): Promise<void> {
    this.#repeats.nextPage();
    for (const key of page) {
      const owned = this.#owners.of(key);
      if (owned === undefined || this.#repeats.has(key)) continue;
      if (owned.target !== undefined) this.#sources.push({ ...owned, target: owned.target });
      else {
        this.#atTarget[owned.move] = (this.#atTarget[owned.move] ?? 0) + 1;
        const rule = this.#rules.in(owned.template.text, owned.move);
        if (rule !== undefined) this.values.add(key, rule);
        if (this.#ctx.options.verify === 'full') this.#targets.push(owned);
      }
    }
    while (this.#sources.length >= CHUNK) await this.#look(this.#sources.splice(0, CHUNK));
    while (this.#targets.length >= CHUNK) await this.#sum(this.#targets.splice(0, CHUNK));
    await this.values.read();
  }

  async finish(): Promise<void> {
    while (this.#sources.length > 0) await this.#look(this.#sources.splice(0, CHUNK));
    while (this.#targets.length > 0) await this.#sum(this.#targets.splice(0, CHUNK));
    await this.values.read(true);
  }

  async #look(sources: readonly (Owned & { readonly target: ByteString })[]): Promise<void> {
    const { store } = this.#ctx;
    const own = await store.fingerprints(sources.map(({ key }) => key));
    const others = await store.fingerprints(sources.map(({ target }) => target));
    for (const [index, { key, move }] of sources.entries()) {
      const [a, b] = [own[index], others[index]];
      if (a === undefined) continue;
      if (b === undefined) this.#absent[move] = (this.#absent[move] ?? 0) + 1;
      const kind = b === undefined ? 'absent' : sameKey(a, b, store) ? 'equal' : 'different';
      const entry = this.#left.get(kind) ?? { count: 0, names: [] };
      entry.count += 1;
      if (entry.names.length < MOST_NAMED) entry.names.push(printable(key));
      this.#left.set(kind, entry);
    }
  }

  async #sum(targets: readonly Owned[]): Promise<void> {
    const fingerprints = await this.#ctx.store.fingerprints(targets.map(({ key }) => key));
    for (const [index, { key, template, move }] of targets.entries()) {
      const fingerprint = fingerprints[index];
      const target = this.#plan.moves[move]?.target ?? '';
      if (fingerprint === undefined || !isSummed(fingerprint, this.#ctx.store)) continue;
      this.#sums.add(claimedShape(template, target), key, fingerprint);
    }
  }

  /** Keys of all sources and all targets. */
  ends(): { readonly source: number; readonly target: number } {
    const source = [...this.#left.values()].reduce((sum, { count }) => sum + count, 0);
    return { source, target: this.#atTarget.reduce((sum, count) => sum + count, 0) };
  }

  leftBehind(): readonly Finding[] {
    const findings: Finding[] = [];
    const add = (
      kind: string,
      severity: Finding['severity'],
      of: 'absent' | 'equal' | 'different',
      text: string,
      drainable = false,
    ) => {
      const left = this.#left.get(of);
      if (left === undefined) return;
      findings.push({
        stage: 'redis',
        kind,
        severity,
        message: `${left.count} keys ${text}`,
        count: left.count,
        samples: left.names,
        drainable,
      });
    };
    add('left-behind', 'difference', 'absent', 'still stand under the source id', true);
    if (this.#phase === 'finalized') add('left-behind', 'difference', 'equal', 'still stand under both ids');
    else
      add(
        'pending-removal',
        'notice',
        'equal',
        'stand under both ids with the same content: the source goes in finalize',
      );
    const skipping = this.#ctx.options.onConflict === 'skip';
    add(
      'conflict',
      skipping ? 'notice' : 'difference',
      'different',
      'exist under both ids with different content and were left',
      // A source that was written after it was copied is copied again; the undo log tells it from others.
      this.#plan.copies !== undefined && this.#phase === 'applied' && !skipping,
    );
    return findings;
  }

  async counts(): Promise<readonly Finding[]> {
    const server = await this.#ctx.store.server();
    const sameServer = server.runId === this.#plan.server.runId;
    // Where nothing tells that it is the same: counters that began anew are rather too low.
    const expired = sameServer ? Math.max(0, server.expiredKeys - this.#plan.server.expiredKeys) : 0;
    const evicted = sameServer ? server.evictedKeys - this.#plan.server.evictedKeys : 0;
    const evictions = evicted > 0 ? ` (the server evicted ${grouped(evicted)} keys meanwhile)` : '';
    const anew = this.#ctx.store.mayFailOver ? 'another server took over, or it was' : 'the server was';
    const why = sameServer ? evictions : ` (${anew} started anew meanwhile)`;
    // The server counts the expired keys of all tenants: each of them explains one missing key at most.
    let unused = expired;
    return this.#plan.moves.flatMap(({ target, found, atTarget }, index): Finding[] => {
      const expected = atTarget + found - (this.#plan.occupied[index] ?? 0);
      const actual = (this.#atTarget[index] ?? 0) + (this.#absent[index] ?? 0);
      if (actual === expected) return [];
      if (actual > expected) {
        const count = actual - expected;
        const message = `${grouped(count)} keys more than planned stand under ${target}: written meanwhile`;
        return [{ stage: 'redis', kind: 'grew', severity: 'notice', message, count }];
      }
      const short = expected - actual;
      const most = this.#plan.expiring?.[index];
      if (short <= Math.min(unused, most ?? unused)) {
        unused -= short;
        return [expiredNotice(short, most !== undefined)];
      }
      const own = expired > 0 && most !== undefined ? `, at most ${grouped(most)} of them could be this tenant's` : '';
      const message = `${grouped(actual)} keys stand under ${target}, ${grouped(expected)} were expected; ${grouped(expired)} keys of all tenants expired meanwhile${own}${why}`;
      return [{ stage: 'redis', kind: 'count', severity: 'difference', message, count: short }];
    });
  }

  sums(now: number): readonly Finding[] {
    // While keys are left behind no sum can be what it was.
    if (this.#ctx.options.verify !== 'full' || this.#left.has('absent')) return [];
    return differingShapes(this.#plan.sums, this.#sums.toJson(), now).map((shape) => ({
      stage: 'redis',
      kind: 'content',
      severity: 'difference',
      message: `the content of the keys '${shape}' is not what it was`,
      where: shape,
    }));
  }
}

function expiredNotice(count: number, proved: boolean): Finding {
  const message = proved
    ? `${grouped(count)} keys expired meanwhile`
    : `${grouped(count)} keys are missing, and the server has expired that many keys meanwhile: that they were this tenant's is not proved, since only counts are compared`;
  return { stage: 'redis', kind: 'expired', severity: 'notice', message, count };
}

/** One finding for each way in which sampled keys differ. Keys that are left behind have a finding of their own. */
async function compareSamples(plan: RedisPlan, ctx: PlanContext<RedisReader>): Promise<readonly Finding[]> {
  const { store } = ctx;
  const names = plan.samples.map(({ target }) => fromJson(target));
  const fingerprints = await store.fingerprints(names);
  const allThere = !fingerprints.includes(undefined);
  const waiting = allThere ? [] : await store.exist(plan.samples.map(({ key }) => fromJson(key)));
  const now = allThere ? 0 : await store.now();
  const differing = new Map<string, string[]>();
  for (const [index, sample] of plan.samples.entries()) {
    const found = fingerprints[index];
    if (found === undefined && waiting[index]) continue;
    const difference = found === undefined ? goneDifference(sample, now) : sampleDifference(sample, found, store);
    if (difference === undefined) continue;
    const named = differing.get(difference) ?? [];
    differing.set(difference, [...named, printable(names[index] ?? '')]);
  }
  return [...differing].map(([difference, named]): Finding => {
    const others = named.length > 1 ? `, as have ${named.length - 1} more of ${names.length} sampled keys` : '';
    return {
      stage: 'redis',
      kind: 'content',
      severity: 'difference',
      message: `'${named[0]}' ${difference}${others}`,
      where: named[0],
      count: named.length,
      samples: named.slice(0, MOST_NAMED),
    };
  });
}

function goneDifference({ expiresAt }: RedisPlan['samples'][number], now: number): string | undefined {
  return expiresAt >= 0 && expiresAt <= now ? undefined : 'has gone';
}

function sampleDifference(
  sample: RedisPlan['samples'][number],
  found: KeyFingerprint,
  store: RedisReader,
): string | undefined {
  if (found.type !== sample.type) return `has become a ${found.type}, it was a ${sample.type}`;
  if (!store.sameExpiry(found.expiresAt, sample.expiresAt)) return 'has another expiry';
  return found.digest === sample.digest ? undefined : 'has other content';
}
