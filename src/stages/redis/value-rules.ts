import { type ByteString, fromText } from '../../model/byte-string.ts';
import { parseKeyTemplate } from '../../model/key-template.ts';
import type { Move } from '../../model/move.ts';
import { fieldPath } from '../../model/value-field.ts';
import type { Profile } from '../../profiles/profile.ts';
import { type OwnRole, TenantKeys } from './tenant-keys.ts';

/** How the value of one key names its tenant. */
export interface ValueRule {
  readonly path: readonly string[];
  readonly move: number;
  readonly source: string;
  readonly target: string;
}

/** Which keys of a run's tenants hold values that name their tenant, and where in them. */
export class ValueRules {
  readonly #keys: TenantKeys;
  /** By template, one for each move. */
  readonly #rules: ReadonlyMap<string, readonly ValueRule[]>;
  /** What such keys begin with: asked first, since most keys are none of them. */
  readonly #prefixes: readonly ByteString[];

  constructor(profile: Profile, templates: readonly string[], moves: readonly Move[]) {
    // A plan that was stored before there were such fields has none.
    const values = (profile.values ?? []).filter(({ template }) => templates.includes(template));
    this.#keys = new TenantKeys(templates, profile.configKeyTemplates, moves);
    this.#rules = new Map(
      values.map((field) => [
        field.template,
        moves.map(({ source, target }, move) => ({ path: fieldPath(field), move, source, target })),
      ]),
    );
    this.#prefixes = values.flatMap(({ template }) => {
      const { prefix } = parseKeyTemplate(template);
      return moves.flatMap(({ source, target }) => [prefix + fromText(source), prefix + fromText(target)]);
    });
  }

  /** True where no key has such a value. */
  get none(): boolean {
    return this.#rules.size === 0;
  }

  /** The rule for a key that the run moves or counts. The same rule is the same object. */
  for({ claim, move }: OwnRole): ValueRule | undefined {
    return this.in(claim.template.text, move);
  }

  /** The rule for a key that a template gives to a tenant of a move. */
  in(template: string, move: number): ValueRule | undefined {
    return this.#rules.get(template)?.[move];
  }

  of(key: ByteString): ValueRule | undefined {
    if (!this.#prefixes.some((prefix) => key.startsWith(prefix))) return undefined;
    const role = this.#keys.roleOf(key);
    return role?.role === 'source' || role?.role === 'target' ? this.for(role) : undefined;
  }
}
