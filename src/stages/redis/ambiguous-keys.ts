import { type ByteString, printable } from '../../model/byte-string.ts';
import type { KeyReading } from '../../model/key-rivals.ts';
import type { Move } from '../../model/move.ts';
import type { RedisReader } from '../../stores/redis/redis-store.ts';
import type { Finding, PlanContext, Problem } from '../stage.ts';
import { claimedShape } from './shapes.ts';
import type { KeyRole, OwnRole, TenantKeys } from './tenant-keys.ts';

const MOST_LISTED = 20;
const MOST_SAMPLES = 5;

/** Source keys of one template that one other tenant could have as well. */
interface Ambiguity {
  readonly move: number;
  readonly template: OwnRole['claim']['template'];
  readonly other: KeyReading;
  /** True where the key as it is, false where only its new name reads as the other's. */
  readonly now: boolean;
  count: number;
  readonly samples: string[];
}

/** Tenants that are known by a key that is theirs alone, with that key; only such as could have keys of this run's. */
export type KnownTenants = ReadonlyMap<ByteString, ByteString>;

/**
 * A scan of its own, where one cannot do: where the rest of a key decides who else could have it, or where such keys
 * are left (all that is counted depends on who is known).
 */
export async function knownTenants(
  keys: TenantKeys,
  ctx: PlanContext<RedisReader>,
  scanCount: number,
): Promise<KnownTenants> {
  const known = new Map<ByteString, ByteString>();
  for await (const page of ctx.store.scan(scanCount, () => known.clear())) {
    ctx.signal.throwIfAborted();
    for (const key of page) if (keys.roleOf(key) === undefined) meet(keys, key, known);
  }
  return known;
}

function meet(keys: TenantKeys, key: ByteString, known: Map<ByteString, ByteString>): void {
  const tenant = keys.rivals.knownBy(key);
  if (tenant !== undefined && !known.has(tenant)) known.set(tenant, key);
}

/** Keys that could belong to two tenants: counted while the plan's scan tells which tenants there are. */
export class AmbiguousKeys {
  readonly #moves: readonly Move[];
  readonly #keys: TenantKeys;
  /** Given by a scan before, or gathered in this one: then only few tenants could matter. */
  readonly #known: Map<ByteString, ByteString>;
  readonly #isKnown: (tenant: ByteString) => boolean;
  readonly #found = new Map<string, Ambiguity>();

  constructor(moves: readonly Move[], keys: TenantKeys, known: KnownTenants | undefined) {
    this.#moves = moves;
    this.#keys = keys;
    this.#known = new Map(known);
    this.#isKnown = known === undefined ? () => true : (tenant) => known.has(tenant);
  }

  /** A key of none of the run's tenants. */
  see(key: ByteString): void {
    meet(this.#keys, key, this.#known);
  }

  /** A key that the run would rename. */
  take(key: ByteString, role: OwnRole): void {
    for (const other of this.#keys.others(key, role)) {
      if (this.#isKnown(other.tenant)) this.#add(key, role, other);
    }
  }

  /** A key of source or target that stays. */
  leave(key: ByteString, role: KeyRole & { readonly role: 'left' }): void {
    this.#add(key, role, role.other);
  }

  #add(key: ByteString, { move, claim }: Pick<OwnRole, 'move' | 'claim'>, other: KeyReading): void {
    const name = `${move} ${claim.template.text} ${other.template.text} ${other.tenant}`;
    let found = this.#found.get(name);
    if (found === undefined) {
      const now = key.startsWith(other.template.prefix + other.tenant);
      found = { move, template: claim.template, other, now, count: 0, samples: [] };
      this.#found.set(name, found);
    }
    found.count += 1;
    if (found.samples.length < MOST_SAMPLES) found.samples.push(printable(key));
  }

  problems(how: PlanContext<RedisReader>['options']['ambiguousKeys']): readonly Problem[] {
    if (how !== 'refuse') return [];
    return this.#listed().map((one) => ({
      stage: 'redis',
      code: 'ambiguous-keys',
      message: this.#text(one),
      fix: `look whose they are; --ambiguous-keys claim moves them with ${this.#moves[one.move]?.source}, --ambiguous-keys leave leaves them where they are`,
    }));
  }

  notices(how: PlanContext<RedisReader>['options']['ambiguousKeys']): readonly Finding[] {
    if (how === 'refuse') return [];
    const end = how === 'claim' ? 'they are moved, as --ambiguous-keys says' : 'they stay, as --ambiguous-keys says';
    return this.#listed().map((one) => ({
      stage: 'redis',
      kind: 'ambiguous',
      severity: 'notice',
      message: `${this.#text(one)}: ${end}`,
      where: claimedShape(one.template, this.#moves[one.move]?.source ?? ''),
      count: one.count,
      samples: one.samples,
    }));
  }

  #listed(): readonly Ambiguity[] {
    return [...this.#found.values()]
      .filter(({ other }) => this.#known.has(other.tenant))
      .sort((a, b) => b.count - a.count)
      .slice(0, MOST_LISTED);
  }

  #text({ move, template, other, now, count, samples }: Ambiguity): string {
    const { source = '' } = this.#moves[move] ?? {};
    const [them, by] = [printable(other.tenant), printable(this.#known.get(other.tenant) ?? '')];
    const theirs = now ? `could be ${them}'s as well` : `would become ${them}'s`;
    return `${count} keys such as '${samples[0]}' are ${source}'s under '${template.text}', and ${theirs} under '${other.template.text}'; ${them} is known by '${by}'`;
  }
}
