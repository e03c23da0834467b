import type { ByteString } from './byte-string.ts';
import { bySpecificity, type Claim, claimedPrefix, type KeyTemplate } from './key-template.ts';

/** An id that a template reads in a key. */
export interface KeyReading {
  readonly template: KeyTemplate;
  readonly tenant: ByteString;
}

/**
 * Which other tenants' keys of ours could be, by the same templates: `siraya_text_chunks:1` is siraya's by its most
 * specific template, and that of a tenant `siraya_text_chunks` by `{tenant}:*`. As long as nobody has heard of such a
 * tenant the rule stands; where one is known, only a person can tell.
 *
 * Not counted is what a looser template reads within our own id: `siraya_eu_text_chunks:1` stays siraya_eu's beside a
 * known `siraya`, whatever `{tenant}_*` says. As everywhere, no unknown id holds a `:`, and none is a word with which
 * the profile begins keys of another kind (`task`).
 */
export class KeyRivals {
  /** True where the rest of a key, too, decides who else could have it: then no list of ids can be made beforehand. */
  readonly endless: boolean;
  readonly #ordered: readonly KeyTemplate[];
  /** 0 is the most specific. */
  readonly #ranks: ReadonlyMap<KeyTemplate, number>;
  readonly #excluded: ReadonlySet<ByteString>;
  /** Readings that all keys of a template and a tenant of ours share; none stands here where the rest decides. */
  readonly #shared = new Map<KeyTemplate, Map<ByteString, readonly KeyReading[]>>();
  /** What a key begins with that can tell of a tenant that matters; undefined where nothing can. */
  readonly #telling: RegExp | undefined;

  /** `templates` are those that also make the claims, the same objects. */
  constructor(templates: readonly KeyTemplate[], own: readonly ByteString[]) {
    this.#ordered = bySpecificity(templates);
    this.#ranks = new Map(this.#ordered.map((template, rank) => [template, rank]));
    this.#excluded = new Set([...own, ...reservedIds(templates)]);
    const heads = new Set<ByteString>();
    let endless = false;
    for (const template of templates) {
      const shared = new Map<ByteString, readonly KeyReading[]>();
      this.#shared.set(template, shared);
      for (const tenant of own) {
        const claim = { template, tenant };
        const readings = this.#readIn(claimedPrefix(template, tenant), claim);
        const open = this.#ordered.flatMap((other) => headsBeyond(other, claim, this.#isLooser(other, template)));
        for (const head of [...open, ...readings.map((reading) => reading.tenant)]) heads.add(head);
        if (open.length > 0) endless = true;
        else shared.set(tenant, readings);
      }
    }
    this.endless = endless;
    this.#telling = tellingStart(templates, heads);
  }

  /** What others could say of a key that `claim` gives to a tenant of ours. */
  of(key: ByteString, claim: Claim): readonly KeyReading[] {
    return this.#shared.get(claim.template)?.get(claim.tenant) ?? this.#readIn(key, claim);
  }

  /**
   * The tenant that is known by a key that is not ours: the most specific template that reads the key at all reads
   * this one id in it. Undefined also where the tenant could not lay claim to a key of ours.
   */
  knownBy(key: ByteString): ByteString | undefined {
    if (this.#telling?.test(key) !== true) return undefined;
    for (const template of this.#ordered) {
      const ids = readings(template, key);
      if (ids.length === 0) continue;
      const [id] = ids;
      return ids.length > 1 || id === undefined || this.#excluded.has(id) ? undefined : id;
    }
    return undefined;
  }

  #readIn(key: ByteString, { template, tenant }: Claim): readonly KeyReading[] {
    const [start, end] = [template.prefix.length, template.prefix.length + tenant.length];
    return this.#ordered.flatMap((other) =>
      readings(other, key)
        .filter((id) => !this.#excluded.has(id))
        .filter((id) => {
          const from = other.prefix.length;
          return !(this.#isLooser(other, template) && from >= start && from + id.length <= end);
        })
        .map((id) => ({ template: other, tenant: id })),
    );
  }

  #isLooser(other: KeyTemplate, than: KeyTemplate): boolean {
    return (this.#ranks.get(other) ?? 0) > (this.#ranks.get(than) ?? 0);
  }
}

/** All ids without `:` that a template reads in a key. */
function readings({ prefix, suffix, open }: KeyTemplate, key: ByteString): readonly ByteString[] {
  if (!key.startsWith(prefix)) return [];
  const from = prefix.length;
  const colon = key.indexOf(':', from);
  const last = colon < 0 ? key.length : colon;
  if (!open) {
    const end = key.length - suffix.length;
    return end > from && end <= last && key.endsWith(suffix) ? [key.slice(from, end)] : [];
  }
  const ids: ByteString[] = [];
  for (let end = key.indexOf(suffix, from + 1); end >= 0 && end <= last; end = key.indexOf(suffix, end + 1)) {
    ids.push(key.slice(from, end));
  }
  return ids;
}

/**
 * How ids begin that `other` may read in some keys of a claim and not in all: they end where its suffix would go on in
 * the rest of the key, or in the rest itself.
 */
function headsBeyond(other: KeyTemplate, { template, tenant }: Claim, looser: boolean): readonly ByteString[] {
  const start = claimedPrefix(template, tenant);
  const from = other.prefix.length;
  if (!template.open) return [];
  if (from > start.length) return other.prefix.startsWith(start) ? [''] : [];
  if (!start.startsWith(other.prefix)) return [];
  const colon = start.indexOf(':', from);
  const heads: ByteString[] = [];
  for (let end = from + 1; end <= (colon < 0 ? start.length : colon); end += 1) {
    const within = from >= template.prefix.length && end <= template.prefix.length + tenant.length;
    const tail = start.slice(end);
    const goesOn = other.suffix.startsWith(tail) && (other.suffix !== tail || !other.open);
    if (goesOn && !(looser && within)) heads.push(start.slice(from, end));
  }
  if (colon < 0 && from === start.length) heads.push('');
  return heads;
}

/** Words with which keys of another kind begin: `task` where `task:{tenant}:*` stands beside `{tenant}:*`. */
function reservedIds(templates: readonly KeyTemplate[]): readonly ByteString[] {
  const followed = templates.filter(({ suffix }) => suffix !== '');
  return templates.flatMap(({ prefix }) =>
    followed.flatMap((template) => readings({ ...template, open: true }, prefix)),
  );
}

function tellingStart(templates: readonly KeyTemplate[], heads: ReadonlySet<ByteString>): RegExp | undefined {
  if (heads.size === 0) return undefined;
  // In this order what begins with a shorter one stands right behind it.
  const shortest: ByteString[] = [];
  for (const head of [...heads].sort((a, b) => (a < b ? -1 : 1))) {
    const last = shortest.at(-1);
    if (last === undefined || !head.startsWith(last)) shortest.push(head);
  }
  const prefixes = new Set(templates.map(({ prefix }) => prefix));
  const either = (texts: Iterable<ByteString>) => [...texts].map(escapeExpression).join('|');
  return new RegExp(`^(?:${either(prefixes)})(?:${either(shortest)})`);
}

function escapeExpression(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
