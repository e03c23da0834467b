import { type ByteString, fromText, printable } from './byte-string.ts';
import { MigrateError } from './errors.ts';
import type { Move } from './move.ts';

const PLACEHOLDER = '{tenant}';

/**
 * Says which keys belong to a tenant: `prefix{tenant}suffix`, with a trailing `*` for any rest.
 * All other characters stand for themselves.
 */
export interface KeyTemplate {
  readonly text: string;
  readonly prefix: ByteString;
  readonly suffix: ByteString;
  /** True where the template ends in `*`. */
  readonly open: boolean;
}

/** A key that a template gives to one of the known tenants. */
export interface Claim {
  readonly template: KeyTemplate;
  readonly tenant: ByteString;
}

/** Reads a template. Throws MigrateError `usage` on one that claims nothing, or more than one tenant's keys. */
export function parseKeyTemplate(text: string): KeyTemplate {
  const at = text.indexOf(PLACEHOLDER);
  if (at < 0) throw templateError(text, 'holds no {tenant}');
  if (text.indexOf(PLACEHOLDER, at + 1) >= 0) throw templateError(text, 'holds {tenant} twice');
  const open = text.endsWith('*');
  const suffix = text.slice(at + PLACEHOLDER.length, open ? -1 : undefined);
  const prefix = text.slice(0, at);
  if (`${prefix}${suffix}`.includes('*')) throw templateError(text, 'may hold * only at its end');
  if (open && suffix === '') {
    throw templateError(text, 'puts * right behind {tenant}, which would claim the keys of every longer id');
  }
  return { text, prefix: fromText(prefix), suffix: fromText(suffix), open };
}

function templateError(text: string, problem: string): MigrateError {
  return new MigrateError('usage', `the key template '${text}' ${problem}`, {
    next: "write it as 'cache:{tenant}:*'",
  });
}

/** The start that all keys of `tenant` under this template share (the whole key where the template is closed). */
export function claimedPrefix(template: KeyTemplate, tenant: ByteString): ByteString {
  return template.prefix + tenant + template.suffix;
}

/** The same key under another tenant. `key` must be claimed by `template` for `from`. */
export function renameKey(key: ByteString, template: KeyTemplate, from: ByteString, to: ByteString): ByteString {
  return template.prefix + to + key.slice(template.prefix.length + from.length);
}

/**
 * Decides whose a key is, among known tenants. Of several templates the most specific one (most literal bytes) wins,
 * also where it gives the key to a tenant that is not known here: `siraya_eu_text_chunks:1` is siraya_eu's, whatever
 * a looser `{tenant}_*` says. The tenant is parsed out of the key and looked up, so many tenants cost no more than one.
 * The tenants must have passed {@link templateProblem}.
 */
export class KeyClaims {
  readonly #readings: readonly Reading[];
  /** Each by itself: a claim names this one, since a slice of a key would keep the whole key in memory. */
  readonly #tenants: ReadonlyMap<ByteString, ByteString>;
  /** Lengths that the tenants have, shortest first. */
  readonly #lengths: readonly number[];

  constructor(templates: readonly KeyTemplate[], tenants: Iterable<ByteString>) {
    const ordered = bySpecificity(templates);
    const ranked = ordered.map((template, rank): Ranked => {
      const rivals = ordered.slice(0, rank).filter((strict) => canTakeFrom(strict, template));
      return { template, rank, rivals };
    });
    const prefixes = [...new Set(ordered.map(({ prefix }) => prefix))];
    this.#readings = prefixes.map((prefix) => readingOf(prefix, ranked));
    this.#tenants = new Map([...tenants].map((tenant) => [tenant, tenant]));
    this.#lengths = [...new Set([...this.#tenants.keys()].map((tenant) => tenant.length))].sort((a, b) => a - b);
  }

  /** The claim on a key, or undefined where it belongs to none of the known tenants. */
  of(key: ByteString): Claim | undefined {
    let best: Ranked | undefined;
    let known: { readonly tenant: ByteString; readonly start: number; readonly end: number } | undefined;
    for (const { prefix, byHead, headless } of this.#readings) {
      if (!key.startsWith(prefix)) continue;
      const start = prefix.length;
      for (const length of this.#lengths) {
        const end = start + length;
        if (end > key.length) break;
        const tenant = this.#tenants.get(key.slice(start, end));
        if (tenant === undefined) continue;
        const found = firstThatClaims(byHead.get(key.slice(end, key.indexOf(':', end) + 1)) ?? headless, key, end);
        if (found === undefined || (best !== undefined && found.rank > best.rank)) continue;
        // Of several tenants the longest: beside a known `siraya_eu` no `siraya_eu_1` is siraya's.
        best = found;
        known = { tenant, start, end };
      }
    }
    if (best === undefined || known === undefined) return undefined;
    for (const rival of best.rivals) if (namesAnotherTenant(rival, key, known)) return undefined;
    return { template: best.template, tenant: known.tenant };
  }
}

interface Ranked {
  readonly template: KeyTemplate;
  /** 0 is the most specific. */
  readonly rank: number;
  readonly rivals: readonly KeyTemplate[];
}

/**
 * The templates of one prefix, by what must follow the tenant up to the first `:`. This is asked for every key of the
 * server, and comparing each with some twenty suffixes took a tenth of a move.
 */
interface Reading {
  readonly prefix: ByteString;
  readonly byHead: ReadonlyMap<ByteString, readonly Ranked[]>;
  /** Those whose suffix holds no `:`; they stand in every list of `byHead` too. */
  readonly headless: readonly Ranked[];
}

function readingOf(prefix: ByteString, ranked: readonly Ranked[]): Reading {
  const own = ranked.filter(({ template }) => template.prefix === prefix);
  const headOf = ({ template: { suffix } }: Ranked) => suffix.slice(0, suffix.indexOf(':') + 1);
  const heads = [...new Set(own.map(headOf))].filter((head) => head !== '');
  const under = (head: ByteString) => own.filter((one) => headOf(one) === head || headOf(one) === '');
  return { prefix, byHead: new Map(heads.map((head) => [head, under(head)])), headless: under('') };
}

/** The most specific of the templates that claims the key, where a tenant ends at `end`. */
function firstThatClaims(ranked: readonly Ranked[], key: ByteString, end: number): Ranked | undefined {
  for (const one of ranked) {
    const { suffix, open } = one.template;
    if (key.startsWith(suffix, end) && (open || key.length === end + suffix.length)) return one;
  }
  return undefined;
}

/**
 * Whether a stricter template could give a key of `loose` to an unknown tenant. No unknown id is believed to hold a `:`,
 * so where the looser template holds one beside the tenant, the unknown id must end before it: mostly it cannot.
 */
function canTakeFrom(strict: KeyTemplate, loose: KeyTemplate): boolean {
  if (strict.prefix.length > loose.prefix.length) return strict.prefix.startsWith(loose.prefix);
  if (!loose.prefix.startsWith(strict.prefix)) return false;
  if (loose.prefix.includes(':', strict.prefix.length)) return false;
  const colon = loose.suffix.indexOf(':');
  if (colon < 0) return true;
  for (let at = 0; at <= colon; at += 1) if (overlapStart(strict.suffix, loose.suffix.slice(at))) return true;
  return false;
}

/**
 * Whether a template reads an id other than the known one that stands at `known`. What surrounds the known id decides,
 * not its own characters: so a key and its renamed twin are judged alike.
 */
function namesAnotherTenant(
  { prefix, suffix, open }: KeyTemplate,
  key: ByteString,
  known: { readonly start: number; readonly end: number },
): boolean {
  if (!key.startsWith(prefix)) return false;
  const start = prefix.length;
  const end = open ? key.indexOf(suffix, start + 1) : key.length - suffix.length;
  if (end <= start || !key.startsWith(suffix, end)) return false;
  const around = key.slice(start, Math.min(end, known.start)) + key.slice(Math.max(start, known.end), end);
  return !around.includes(':');
}

/**
 * Why a move cannot be made under these templates, or undefined where it can. Refused are:
 * a renamed key that would be claimed by the source again (`siraya → siraya_v2` under `{tenant}_*`: the scan would
 * see it once more), and an id with which two templates would read the same key differently (`task` beside
 * `task:{tenant}:*`): there a rename could not be told from another tenant's key, nor be undone.
 */
export function templateProblem(templates: readonly KeyTemplate[], move: Move): string | undefined {
  const source = fromText(move.source);
  const target = fromText(move.target);
  for (const claiming of templates) {
    for (const renamed of templates) {
      if (overlap(claimedBy(claiming, source), claimedBy(renamed, target))) {
        return `a key renamed under '${renamed.text}' (${printable(claimedPrefix(renamed, target))}…) would be claimed by '${claiming.text}' for ${move.source} again`;
      }
    }
  }
  return ambiguity(templates, move.source) ?? ambiguity(templates, move.target);
}

/**
 * Why moves cannot be made by one scan under these templates, or undefined where they can: an id stands in two moves
 * (A → B, B → C: the scan would see renamed keys again), or two ids lay claim to the same key (`siraya` and `siraya_eu`
 * under `{tenant}_*`), so a key of one move would be read as the other's.
 */
export function crossingProblem(templates: readonly KeyTemplate[], moves: readonly Move[]): string | undefined {
  const ids = moves.flatMap(({ source, target }) => [source, target]);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) return `${twice} stands in two moves of one pass`;
  const claims = ids
    .flatMap((id) => templates.map((template) => ({ id, template, ...claimedBy(template, fromText(id)) })))
    .sort((a, b) => (a.start < b.start ? -1 : Number(a.start > b.start)));
  // In this order all claims whose start begins the current one's are a stack.
  const above: typeof claims = [];
  for (const claim of claims) {
    while (above.length > 0 && !claim.start.startsWith(above.at(-1)?.start ?? '')) above.pop();
    const other = above.find(({ id, start, open }) => id !== claim.id && (open || start === claim.start));
    if (other !== undefined) {
      return `the key ${printable(claim.start)}… could be ${other.id}'s under '${other.template.text}' and ${claim.id}'s under '${claim.template.text}'`;
    }
    above.push(claim);
  }
  return undefined;
}

function ambiguity(templates: readonly KeyTemplate[], tenant: string): string | undefined {
  const id = fromText(tenant);
  for (const [index, loose] of bySpecificity(templates).entries()) {
    for (const strict of bySpecificity(templates).slice(0, index)) {
      if (readsAnotherTenant(strict, loose, id)) {
        return `keys of ${tenant} under '${loose.text}' read as another tenant's under '${strict.text}'`;
      }
    }
  }
  return undefined;
}

/** Whether the letters of `id` let `strict` read a tenant other than `id` in a key that `loose` gives to `id`. */
function readsAnotherTenant(strict: KeyTemplate, loose: KeyTemplate, id: ByteString): boolean {
  if (strict.prefix !== loose.prefix && overlap(claimedBy(strict, id), claimedBy(loose, id))) return true;
  const start = claimedPrefix(loose, id);
  if (strict.prefix.length > loose.prefix.length) return overlapStart(strict.prefix, start);
  if (!start.startsWith(strict.prefix)) return false;
  const idEnd = loose.prefix.length + id.length;
  for (let end = strict.prefix.length + 1; end < idEnd; end += 1) {
    if (overlap({ start: strict.suffix, open: strict.open }, { start: start.slice(end), open: loose.open }))
      return true;
  }
  return false;
}

interface Pattern {
  readonly start: ByteString;
  readonly open: boolean;
}

function claimedBy(template: KeyTemplate, tenant: ByteString): Pattern {
  return { start: claimedPrefix(template, tenant), open: template.open };
}

/** Whether some key matches both patterns. */
function overlap(a: Pattern, b: Pattern): boolean {
  if (a.open && b.open) return overlapStart(a.start, b.start);
  if (a.open) return b.start.startsWith(a.start);
  if (b.open) return a.start.startsWith(b.start);
  return a.start === b.start;
}

function overlapStart(a: ByteString, b: ByteString): boolean {
  return a.startsWith(b) || b.startsWith(a);
}

/**
 * The most specific first: the one with more literal bytes; of equals the one whose suffix begins with `:`, since no
 * unknown id is believed to hold one (`siraya_eu:1` is siraya_eu's, whatever `{tenant}_*` says); then the closed one.
 */
export function bySpecificity(templates: readonly KeyTemplate[]): readonly KeyTemplate[] {
  const literal = (template: KeyTemplate) => template.prefix.length + template.suffix.length;
  const colon = (template: KeyTemplate) => Number(template.suffix.startsWith(':'));
  return [...templates].sort(
    (a, b) => literal(b) - literal(a) || colon(b) - colon(a) || Number(a.open) - Number(b.open),
  );
}
