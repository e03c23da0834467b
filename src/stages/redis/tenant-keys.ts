import { type ByteString, fromText } from '../../model/byte-string.ts';
import { type Claim, KeyClaims, type KeyTemplate, parseKeyTemplate, renameKey } from '../../model/key-template.ts';
import type { Move } from '../../model/move.ts';
import type { Profile } from '../../profiles/profile.ts';

/** What the profile's templates say about one key in this run. */
export type KeyRole =
  | { readonly role: 'source'; readonly move: number; readonly target: ByteString; readonly claim: Claim }
  | { readonly role: 'target'; readonly move: number; readonly claim: Claim }
  | { readonly role: 'config'; readonly claim: Claim };

/** The keys of a run's tenants: which are sources, what they become, which stand at the target already. */
export class TenantKeys {
  readonly templates: readonly KeyTemplate[];
  readonly #config: ReadonlySet<KeyTemplate>;
  readonly #claims: KeyClaims;
  readonly #sources = new Map<ByteString, { readonly move: number; readonly target: ByteString }>();
  readonly #targets = new Map<ByteString, number>();

  constructor(templates: readonly string[], configTemplates: readonly string[], moves: readonly Move[]) {
    this.templates = templates.map(parseKeyTemplate);
    const config = configTemplates.map(parseKeyTemplate);
    this.#config = new Set(config);
    for (const [index, { source, target }] of moves.entries()) {
      this.#sources.set(fromText(source), { move: index, target: fromText(target) });
      this.#targets.set(fromText(target), index);
    }
    this.#claims = new KeyClaims([...this.templates, ...config], [...this.#sources.keys(), ...this.#targets.keys()]);
  }

  static of(profile: Profile, moves: readonly Move[]): TenantKeys {
    return new TenantKeys(profile.keyTemplates, profile.configKeyTemplates, moves);
  }

  /** The key's part in this run; undefined where no template gives it to one of the run's tenants. */
  roleOf(key: ByteString): KeyRole | undefined {
    const claim = this.#claims.of(key);
    if (claim === undefined) return undefined;
    if (this.#config.has(claim.template)) return { role: 'config', claim };
    const source = this.#sources.get(claim.tenant);
    if (source !== undefined) {
      const target = renameKey(key, claim.template, claim.tenant, source.target);
      return { role: 'source', move: source.move, target, claim };
    }
    return { role: 'target', move: this.#targets.get(claim.tenant) ?? 0, claim };
  }
}
