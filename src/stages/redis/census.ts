import { type ByteString, fromText, printable, toJson } from '../../model/byte-string.ts';
import { grouped } from '../../model/grouped.ts';
import type { Move } from '../../model/move.ts';
import { Reservoir } from '../../model/reservoir.ts';
import type { KeyFingerprint } from '../../stores/redis/redis-content.ts';
import type { RedisServer } from '../../stores/redis/redis-server.ts';
import type { RedisReader } from '../../stores/redis/redis-store.ts';
import type { Finding, MoveCounts, PlanContext, Problem, ShapeCount } from '../stage.ts';
import { AmbiguousKeys, type KnownTenants } from './ambiguous-keys.ts';
import { type Copies, isCopied } from './redis-mode.ts';
import type { KeySample } from './redis-plan.ts';
import { Repeats } from './repeats.ts';
import { sameKey } from './same-key.ts';
import { contentSampleSize, SAMPLES_PER_SHAPE } from './sample-size.ts';
import { isSummed, ShapeSums } from './shape-sums.ts';
import { claimedShape, claimingTemplate, lookAlikeShape, Tally, wholeSegmentAt } from './shapes.ts';
import type { KeyRole, OwnRole, TenantKeys } from './tenant-keys.ts';
import { UndoSize } from './undo-size.ts';
import { ValueCensus } from './value-census.ts';
import type { ValueRule, ValueRules } from './value-rules.ts';

const MOST_LISTED = 20;
const CHUNK = 500;

/** Keys of one template of one move. */
interface Shape {
  readonly move: number;
  readonly from: string;
  readonly to: string;
  /** Where the values of its keys name their tenant. */
  readonly rule: ValueRule | undefined;
  count: number;
  readonly sample: Reservoir<SourceKey>;
}

type SourceKey = { readonly key: ByteString; readonly role: KeyRole & { role: 'source' } };

interface Conflict {
  readonly key: ByteString;
  readonly own: KeyFingerprint;
  readonly other: KeyFingerprint;
}

/** By what a census judges keys. */
interface CensusParts {
  readonly keys: TenantKeys;
  readonly copies: Copies;
  readonly rules: ValueRules;
  readonly known?: KnownTenants;
}

/** What one scan of the keyspace counts and samples. */
export class Census {
  readonly found: number[];
  readonly atTarget: number[];
  readonly occupied: number[];
  readonly sums = new ShapeSums();
  readonly undoSize: UndoSize;
  readonly values: ValueCensus;
  conflicts = 0;
  /** Source keys that are copied instead of renamed. */
  copied = 0;
  /** Source keys that a cluster cannot rename. */
  crossSlot = 0;
  readonly #moves: readonly Move[];
  readonly #ctx: PlanContext<RedisReader>;
  readonly #copies: Copies;
  readonly #keys: TenantKeys;
  readonly #rules: ValueRules;
  readonly #sources: readonly ByteString[];
  readonly #shapes = new Map<string, Shape>();
  /** What stands under the target ids already. */
  readonly #standing = new Map<
    string,
    { readonly move: number; count: number; readonly sample: Reservoir<ByteString> }
  >();
  /** Keys with an expiry, one number for each move; counted in full verification only. */
  readonly #expiring: number[];
  readonly #repeats = new Repeats();
  readonly #unclaimed = new Tally();
  readonly #lookAlikes = new Tally();
  readonly #configKeys: string[] = [];
  readonly #ambiguous: AmbiguousKeys;
  #pending: { key: ByteString; role: OwnRole }[] = [];

  /** `known`: where other tenants were looked for before. */
  constructor(moves: readonly Move[], { keys, copies, known, rules }: CensusParts, ctx: PlanContext<RedisReader>) {
    this.#moves = moves;
    this.#copies = copies;
    this.#ctx = ctx;
    this.#rules = rules;
    this.values = new ValueCensus(ctx, rules);
    this.#keys = keys;
    this.#ambiguous = new AmbiguousKeys(moves, keys, known);
    this.undoSize = new UndoSize(ctx.options.seed);
    this.#sources = moves.map(({ source }) => fromText(source));
    this.found = moves.map(() => 0);
    this.atTarget = moves.map(() => 0);
    this.occupied = moves.map(() => 0);
    this.#expiring = moves.map(() => 0);
  }

  moveCounts(): readonly MoveCounts[] {
    return this.#moves.map(({ source, target }, index) => {
      const [found, atTarget] = [this.found[index] ?? 0, this.atTarget[index] ?? 0];
      return { source, target, found, atTarget };
    });
  }

  async take(page: readonly ByteString[]): Promise<void> {
    this.#repeats.nextPage();
    for (const key of page) {
      const role = this.#keys.roleOf(key);
      if (role !== undefined && this.#repeats.has(key)) continue;
      if (role === undefined) this.#notClaimed(key);
      else if (role.role === 'config') this.#configKeys.push(printable(key));
      else if (role.role === 'left') this.#ambiguous.leave(key, role);
      else {
        if (role.role === 'source') this.#source(key, role);
        else this.#atTarget(key, role);
        if (this.#needsContent(role)) this.#pending.push({ key, role });
      }
    }
    while (this.#pending.length >= CHUNK) await this.#compare(this.#pending.splice(0, CHUNK));
    await this.values.read();
  }

  async finish(): Promise<void> {
    await this.values.read(true);
    while (this.#pending.length > 0) await this.#compare(this.#pending.splice(0, CHUNK));
  }

  #source(key: ByteString, role: KeyRole & { role: 'source' }): void {
    this.found[role.move] = (this.found[role.move] ?? 0) + 1;
    const pair = { from: key, to: role.target };
    const renamable = this.#ctx.store.renamable(pair);
    if (!renamable) this.crossSlot += 1;
    const copied = this.#copies === 'all' || (this.#copies === 'cross-slot' && !renamable);
    if (copied) {
      this.copied += 1;
      this.undoSize.addCopy(key);
    } else this.undoSize.addRename(key);
    this.#ambiguous.take(key, role);
    const name = `${role.move} ${role.claim.template.text}`;
    let shape = this.#shapes.get(name);
    if (shape === undefined) {
      const { source, target } = this.#moves[role.move] ?? { source: '', target: '' };
      const template = role.claim.template;
      shape = {
        move: role.move,
        count: 0,
        from: claimedShape(template, source),
        to: claimedShape(template, target),
        rule: this.#rules.for(role),
        sample: new Reservoir(SAMPLES_PER_SHAPE, this.#ctx.options.seed + this.#shapes.size),
      };
      this.#shapes.set(name, shape);
    }
    shape.count += 1;
    if (shape.rule !== undefined) this.undoSize.addValue(role.target, shape.rule);
    if (shape.rule !== undefined && copied) this.undoSize.addValue(key, shape.rule);
    // Copies are weighed before they are made, and the values of a shape that is rewritten are looked at in any case.
    const looked = this.#copies !== 'none' || shape.rule !== undefined;
    if (this.#ctx.options.verify !== 'counts' || looked) shape.sample.offer({ key, role });
  }

  #atTarget(key: ByteString, role: KeyRole & { role: 'target' }): void {
    const { move, claim } = role;
    this.atTarget[move] = (this.atTarget[move] ?? 0) + 1;
    if (this.#rules.for(role) !== undefined) this.values.addStanding(key);
    if (this.#ctx.options.verify !== 'sample') return;
    const name = `${move} ${claim.template.text}`;
    let shape = this.#standing.get(name);
    if (shape === undefined) {
      const seed = this.#ctx.options.seed + this.#standing.size;
      shape = { move, count: 0, sample: new Reservoir(SAMPLES_PER_SHAPE, seed) };
      this.#standing.set(name, shape);
    }
    shape.count += 1;
    shape.sample.offer(key);
  }

  #notClaimed(key: ByteString): void {
    this.#ambiguous.see(key);
    const inside = this.#sources.filter((source) => key.includes(source));
    for (const source of inside) {
      const at = wholeSegmentAt(key, source);
      if (at < 0) continue;
      this.#unclaimed.add(claimingTemplate(key, at, source));
      return;
    }
    if (inside[0] !== undefined) this.#lookAlikes.add(lookAlikeShape(key, inside[0]));
  }

  #needsContent(role: OwnRole): boolean {
    const { merge, continuing, verify } = this.#ctx.options;
    return verify === 'full' || (role.role === 'source' && (merge || continuing));
  }

  /** Compares source keys with what stands at their target, and adds all of them to the sums. */
  async #compare(chunk: readonly { key: ByteString; role: OwnRole }[]): Promise<void> {
    const { store, options } = this.#ctx;
    const sources = chunk.filter((item): item is SourceKey => item.role.role === 'source');
    const both = options.merge || options.continuing;
    const taken = both ? await store.fingerprints(sources.map(({ role }) => role.target)) : [];
    const takenBy = new Map(sources.map(({ key }, index) => [key, taken[index]]));
    const needed = options.verify === 'full' ? chunk : chunk.filter(({ key }) => takenBy.get(key) !== undefined);
    const fingerprints = await store.fingerprints(needed.map(({ key }) => key));
    for (const [index, { key, role }] of needed.entries()) {
      const own = fingerprints[index];
      // What has gone since it was listed may have expired.
      if (own === undefined || own.expiresAt >= 0) this.#expiring[role.move] = (this.#expiring[role.move] ?? 0) + 1;
      if (own === undefined) continue;
      const other = takenBy.get(key);
      if (role.role === 'source' && other !== undefined) {
        this.occupied[role.move] = (this.occupied[role.move] ?? 0) + 1;
        if (sameKey(own, other, store)) this.undoSize.addDump(key, role.target);
        else this.#conflict(role, { key, own, other });
      } else if (options.verify === 'full' && isSummed(own, store)) {
        const target = role.role === 'source' ? role.target : key;
        this.sums.add(claimedShape(role.claim.template, this.#moves[role.move]?.target ?? ''), target, own);
      }
    }
  }

  #conflict({ move, claim, target }: SourceKey['role'], { key, own, other }: Conflict): void {
    const { store, options } = this.#ctx;
    this.conflicts += 1;
    if (options.onConflict !== 'overwrite') return;
    this.undoSize.addDump(target, key);
    if (options.verify !== 'full') return;
    // In the sums the source takes the place of the target, which is added where the scan comes upon it.
    const shape = claimedShape(claim.template, this.#moves[move]?.target ?? '');
    if (isSummed(own, store)) this.sums.add(shape, target, own);
    if (isSummed(other, store)) this.sums.remove(shape, target, other);
  }

  /** What the sampled values say about their tenant. */
  valueCounts(): ReturnType<ValueCensus['count']> {
    const shapes = [...this.#shapes.values()].map(({ sample, move, ...shape }) => ({
      ...shape,
      source: this.#moves[move]?.source ?? '',
      keys: sample.items.map(({ key }) => key),
    }));
    return this.values.count(shapes);
  }

  shapes(): readonly ShapeCount[] {
    return [...this.#shapes.values()]
      .map(({ from, to, count }) => ({ from, to, count }))
      .sort((a, b) => b.count - a.count || (a.from < b.from ? -1 : 1));
  }

  /** About how many bytes the copies will take, from the samples. */
  async copyBytes(): Promise<number> {
    let bytes = 0;
    for (const { sample, count } of this.#shapes.values()) {
      const copied = sample.items.filter(({ key, role }) => {
        return isCopied({ from: key, to: role.target }, this.#copies, this.#ctx.store);
      });
      const sizes = await this.#ctx.store.sizes(copied.map(({ key }) => key));
      const sum = sizes.reduce<number>((total, size) => total + (size ?? 0), 0);
      bytes += (sum / Math.max(1, sample.items.length)) * count;
    }
    return bytes;
  }

  /** The sampled keys that will stand alone under their name (all, where others are overwritten), as they are now. */
  async samples(): Promise<readonly KeySample[]> {
    const { store, options } = this.#ctx;
    if (options.verify === 'counts') return [];
    const size = contentSampleSize(this.#moves.length);
    const picked = [...this.#shapes.values()].flatMap(({ sample }) => sample.items.slice(0, size));
    const mayStay = (options.merge || options.continuing) && options.onConflict !== 'overwrite';
    const taken = mayStay ? await store.exist(picked.map(({ role }) => role.target)) : [];
    const alone = picked.filter((_, index) => taken[index] !== true);
    const fingerprints = await store.fingerprints(alone.map(({ key }) => key));
    return alone.flatMap(({ key, role }, index): KeySample[] => {
      const fingerprint = fingerprints[index];
      return fingerprint === undefined ? [] : [{ key: toJson(key), target: toJson(role.target), ...fingerprint }];
    });
  }

  /** See the plan. Where a shape's sample shows no expiry, what is missing of it did not expire. */
  async mostExpiring(): Promise<readonly number[] | null> {
    const { store, options } = this.#ctx;
    if (options.verify === 'counts') return null;
    if (options.verify === 'full') return this.#expiring;
    const sources = [...this.#shapes.values()].map(({ sample, ...shape }) => ({
      ...shape,
      keys: sample.items.map(({ key }) => key),
    }));
    const targets = [...this.#standing.values()].map(({ sample, ...shape }) => ({ ...shape, keys: sample.items }));
    const shapes = [...sources, ...targets];
    const expiries = await store.expiries(shapes.flatMap(({ keys }) => keys));
    const most = this.#moves.map(() => 0);
    let start = 0;
    for (const { move, count, keys } of shapes) {
      // What has gone since it was listed may have expired.
      const expiring = expiries.slice(start, start + keys.length).filter((expiry) => (expiry ?? 0) >= 0).length;
      start += keys.length;
      most[move] = (most[move] ?? 0) + (expiring > 0 && keys.length < count ? count : expiring);
    }
    return most;
  }

  notices(): readonly Finding[] {
    const unclaimed = this.#unclaimed
      .entries()
      .slice(0, MOST_LISTED)
      .map(
        ([template, count]): Finding => ({
          stage: 'redis',
          kind: 'unclaimed',
          severity: 'notice',
          message: `${grouped(count)} keys look like '${template}' and belong to nobody by the profile: they stay where they are`,
          where: template,
          count,
          fix: `--key-template '${template}'`,
        }),
      );
    const shapes = this.#lookAlikes.entries();
    const lookAlikes: readonly Finding[] =
      shapes.length === 0
        ? []
        : [
            {
              stage: 'redis',
              kind: 'look-alike',
              severity: 'notice',
              message: `${grouped(this.#lookAlikes.total)} keys of ${shapes.length} shapes only contain the id in a longer name: not this tenant's, not touched`,
              count: this.#lookAlikes.total,
              samples: shapes.slice(0, MOST_LISTED).map(([shape, count]) => `${shape} ${count}`),
            },
          ];
    const config = this.#configKeys.map(
      (key): Finding => ({
        stage: 'redis',
        kind: 'config-record',
        severity: 'notice',
        message: `the key '${key}' belongs to the config stage and is not renamed`,
        where: key,
      }),
    );
    const ambiguous = this.#ambiguous.notices(this.#ctx.options.ambiguousKeys);
    return [...unclaimed, ...lookAlikes, ...config, ...ambiguous, ...this.#overwriting()];
  }

  #overwriting(): readonly Finding[] {
    if (this.conflicts === 0 || this.#ctx.options.onConflict !== 'overwrite') return [];
    const message = `${grouped(this.conflicts)} keys of the target have other content and will be overwritten; the undo log will hold what they were`;
    return [{ stage: 'redis', kind: 'overwrite', severity: 'notice', message, count: this.conflicts }];
  }

  problems(server: RedisServer): readonly Problem[] {
    const { merge, continuing, failOnUnclaimed, onConflict } = this.#ctx.options;
    const problems: Problem[] = [];
    const problem = (code: string, message: string, fix: string) => {
      problems.push({ stage: 'redis', code, message, fix });
    };
    for (const [index, { source, target }] of this.#moves.entries()) {
      const [found, atTarget] = [this.found[index] ?? 0, this.atTarget[index] ?? 0];
      if (found > 0 && atTarget > 0 && !merge && !continuing) {
        problem(
          'both-have-data',
          `${server.product} holds ${grouped(found)} keys of ${source} and ${grouped(atTarget)} of ${target}`,
          'check the target id; to move into a tenant that has data, add --merge',
        );
      }
    }
    // Of a key that was written after it was copied, the undo log will tell that the target is our own copy.
    const mayBeOurs = continuing && this.#copies !== 'none';
    if (this.conflicts > 0 && onConflict === 'fail' && !mayBeOurs) {
      problem(
        'conflict',
        `${grouped(this.conflicts)} keys exist at source and target with different content`,
        'remove one side, keep both where they are with --on-conflict skip, or let the source win with --on-conflict overwrite',
      );
    }
    if (failOnUnclaimed && this.#unclaimed.total > 0) {
      problem(
        'unclaimed',
        `${grouped(this.#unclaimed.total)} keys hold the id but belong to nobody by the profile`,
        'claim them with --key-template',
      );
    }
    return [...problems, ...this.#ambiguous.problems(this.#ctx.options.ambiguousKeys)];
  }
}
