import { type ByteString, fromText } from '../../model/byte-string.ts';
import { type KeyReading, KeyRivals } from '../../model/key-rivals.ts';
import { type Claim, KeyClaims, type KeyTemplate, parseKeyTemplate, renameKey } from '../../model/key-template.ts';
import type { Move } from '../../model/move.ts';
import type { Profile } from '../../profiles/profile.ts';

/** What the profile's templates say about one key in this run. */
export type KeyRole =
  | { readonly role: 'source'; readonly move: number; readonly target: ByteString; readonly claim: Claim }
  | { readonly role: 'target'; readonly move: number; readonly claim: Claim }
  | { readonly role: 'config'; readonly claim: Claim }
  /** Another known tenant could have it as well, and the operator said to leave such keys. */
  | { readonly role: 'left'; readonly move: number; readonly claim: Claim; readonly other: KeyReading };

/** A key's part in a run that moves it or counts it. */
export type OwnRole = Extract<KeyRole, { readonly move: number; readonly role: 'source' | 'target' }>;

/** The keys of a run's tenants: which are sources, what they become, which stand at the target already. */
export class TenantKeys {
  readonly templates: readonly KeyTemplate[];
  readonly #config: ReadonlySet<KeyTemplate>;
  readonly #claims: KeyClaims;
  readonly #sources = new Map<ByteString, { readonly move: number; readonly target: ByteString }>();
  readonly #targets = new Map<ByteString, number>();
  readonly #ends: readonly { readonly source: ByteString; readonly target: ByteString }[];
  readonly #left: ReadonlySet<ByteString>;
  /** Made when it is first asked for: moving keys and taking them back mostly need it not. */
  #rivals: KeyRivals | undefined;
  readonly #ids: readonly ByteString[];

  /** `left`: other tenants whose keys ours must not be taken for. */
  constructor(
    templates: readonly string[],
    configTemplates: readonly string[],
    moves: readonly Move[],
    left: Iterable<ByteString> = [],
  ) {
    this.templates = templates.map(parseKeyTemplate);
    const config = configTemplates.map(parseKeyTemplate);
    this.#config = new Set(config);
    for (const [index, { source, target }] of moves.entries()) {
      this.#sources.set(fromText(source), { move: index, target: fromText(target) });
      this.#targets.set(fromText(target), index);
    }
    this.#ends = moves.map(({ source, target }) => ({ source: fromText(source), target: fromText(target) }));
    this.#left = new Set(left);
    this.#ids = [...this.#sources.keys(), ...this.#targets.keys()];
    this.#claims = new KeyClaims([...this.templates, ...config], this.#ids);
  }

  static of(profile: Profile, moves: readonly Move[], left?: Iterable<ByteString>): TenantKeys {
    return new TenantKeys(profile.keyTemplates, profile.configKeyTemplates, moves, left);
  }

  /** See {@link KeyRivals}. */
  get rivals(): KeyRivals {
    this.#rivals ??= new KeyRivals([...this.templates, ...this.#config], this.#ids);
    return this.#rivals;
  }

  /** The key's part in this run; undefined where no template gives it to one of the run's tenants. */
  roleOf(key: ByteString): KeyRole | undefined {
    const claim = this.#claims.of(key);
    if (claim === undefined) return undefined;
    if (this.#config.has(claim.template)) return { role: 'config', claim };
    const role = this.#ownRole(key, claim);
    if (this.#left.size === 0) return role;
    const other = this.others(key, role).find(({ tenant }) => this.#left.has(tenant));
    return other === undefined ? role : { role: 'left', move: role.move, claim, other };
  }

  /** What other tenants could say of this key under the one id or the other: a key and its renamed twin are judged alike. */
  others(key: ByteString, { role, move, claim }: OwnRole): readonly KeyReading[] {
    const ends = this.#ends[move] ?? { source: '', target: '' };
    const tenant = role === 'source' ? ends.target : ends.source;
    const own = this.rivals.of(key, claim);
    const twins = this.rivals.of(renameKey(key, claim.template, claim.tenant, tenant), { ...claim, tenant });
    if (own.length === 0) return twins;
    return twins.length === 0 ? own : [...own, ...twins];
  }

  #ownRole(key: ByteString, claim: Claim): OwnRole {
    const source = this.#sources.get(claim.tenant);
    if (source !== undefined) {
      const target = renameKey(key, claim.template, claim.tenant, source.target);
      return { role: 'source', move: source.move, target, claim };
    }
    return { role: 'target', move: this.#targets.get(claim.tenant) ?? 0, claim };
  }
}
