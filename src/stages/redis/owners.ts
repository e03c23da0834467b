import { type ByteString, fromJson, fromText } from '../../model/byte-string.ts';
import { bySpecificity, type KeyTemplate, parseKeyTemplate } from '../../model/key-template.ts';
import type { Profile } from '../../profiles/profile.ts';
import type { RedisPlan } from './redis-plan.ts';

/** A key of one of the run's tenants. */
export interface Owned {
  readonly key: ByteString;
  readonly move: number;
  readonly template: KeyTemplate;
}

/**
 * Whose a key is, read with one regular expression for each template: an implementation apart from the mover's,
 * so that a mistake in one shows as a difference.
 */
export class Owners {
  readonly #readers: readonly {
    readonly template: KeyTemplate;
    /** Matches the keys of this run's tenants. */
    readonly own: RegExp;
    /** Matches the keys of any tenant whose id holds no `:`. */
    readonly anyone: RegExp;
    /** Matches the keys of tenants to whom keys are left; one at a time, since several may match. */
    readonly left: readonly RegExp[];
    readonly config: boolean;
  }[];
  readonly #ids: readonly ByteString[];
  readonly #moves: readonly { readonly source: ByteString; readonly target: ByteString }[];

  constructor(plan: RedisPlan, profile: Profile) {
    this.#moves = plan.moves.map(({ source, target }) => ({ source: fromText(source), target: fromText(target) }));
    this.#ids = this.#moves.flatMap(({ source, target }) => [source, target]);
    const known = [...this.#ids].sort((a, b) => b.length - a.length).map(escapeExpression);
    const left = (plan.left ?? []).map((id) => escapeExpression(fromJson(id)));
    const config = new Set(profile.configKeyTemplates);
    this.#readers = bySpecificity([...plan.templates, ...config].map(parseKeyTemplate)).map((template) => {
      const [prefix, suffix] = [template.prefix, template.suffix].map(escapeExpression);
      const expression = (id: string) => new RegExp(`^${prefix}(${id})${suffix}${template.open ? '' : '$'}`, 's');
      return {
        template,
        config: config.has(template.text),
        own: expression(known.join('|')),
        anyone: expression('[^:]+?'),
        left: left.map(expression),
      };
    });
  }

  of(key: ByteString): (Owned & { readonly target?: ByteString }) | undefined {
    if (!this.#ids.some((id) => key.includes(id))) return undefined;
    for (const [index, { template, own, config }] of this.#readers.entries()) {
      // Most templates are told apart by this alone, which is much quicker than an expression.
      if (!key.includes(template.suffix)) continue;
      const tenant = own.exec(key)?.[1];
      if (tenant === undefined) continue;
      if (config || this.#isOthers(key, tenant, index)) return undefined;
      const owned = this.#owned(key, tenant, template);
      return owned === undefined || this.#isLeft(owned, tenant, index) ? undefined : owned;
    }
    return undefined;
  }

  /** Whether a stricter template reads a longer id around the tenant, whose own characters do not matter. */
  #isOthers(key: ByteString, tenant: ByteString, reader: number): boolean {
    const start = this.#readers[reader]?.template.prefix.length ?? 0;
    const neutral = `${key.slice(0, start)}\0${key.slice(start + tenant.length)}`;
    return this.#readers
      .slice(0, reader)
      .some(({ template, anyone }) => key.includes(template.suffix) && anyone.test(neutral));
  }

  /** Whether a tenant to whom keys are left reads as this one's owner, under the one id of the move or the other. */
  #isLeft({ key, move }: Owned, tenant: ByteString, reader: number): boolean {
    const start = this.#readers[reader]?.template.prefix.length ?? 0;
    return Object.values(this.#moves[move] ?? {}).some((id) => {
      const name = key.slice(0, start) + id + key.slice(start + tenant.length);
      return this.#readers.some(({ template, left }, index) =>
        left.some((expression) => {
          const other = expression.exec(name)?.[1];
          if (other === undefined) return false;
          const [from, to] = [template.prefix.length, template.prefix.length + other.length];
          // A looser template has no say within the tenant's own id.
          return !(index > reader && from >= start && to <= start + id.length);
        }),
      );
    });
  }

  #owned(
    key: ByteString,
    tenant: ByteString,
    template: KeyTemplate,
  ): (Owned & { readonly target?: ByteString }) | undefined {
    for (const [move, { source, target }] of this.#moves.entries()) {
      if (tenant === source) {
        const rest = key.slice(template.prefix.length + source.length);
        return { key, move, template, target: `${template.prefix}${target}${rest}` };
      }
      if (tenant === target) return { key, move, template };
    }
    return undefined;
  }
}

function escapeExpression(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
