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
  readonly #templates: readonly { readonly template: KeyTemplate; readonly rivals: readonly KeyTemplate[] }[];
  readonly #tenants: ReadonlySet<ByteString>;
  readonly #longest: number;

  constructor(templates: readonly KeyTemplate[], tenants: Iterable<ByteString>) {
    const ordered = bySpecificity(templates);
    this.#templates = ordered.map((template, index) => ({
      template,
      rivals: ordered.slice(0, index).filter((strict) => canTakeFrom(strict, template)),
    }));
    this.#tenants = new Set(tenants);
    this.#longest = Math.max(0, ...[...this.#tenants].map((tenant) => tenant.length));
  }

  /** The claim on a key, or undefined where it belongs to none of the known tenants. */
  of(key: ByteString): Claim | undefined {
    for (const { template, rivals } of this.#templates) {
      const tenant = this.#parse(key, template);
      if (tenant === undefined) continue;
      return rivals.some((rival) => namesSomeTenant(rival, key)) ? undefined : { template, tenant };
    }
    return undefined;
  }

  #parse(key: ByteString, { prefix, suffix, open }: KeyTemplate): ByteString | undefined {
    if (prefix !== '' && !key.startsWith(prefix)) return undefined;
    const start = prefix.length;
    if (!open) {
      const end = key.length - suffix.length;
      return end > start && key.endsWith(suffix) ? this.#known(key.slice(start, end)) : undefined;
    }
    let end = key.indexOf(suffix, start + 1);
    while (end > 0 && end - start <= this.#longest) {
      const tenant = this.#known(key.slice(start, end));
      if (tenant !== undefined) return tenant;
      end = key.indexOf(suffix, end + 1);
    }
    return undefined;
  }

  #known(candidate: ByteString): ByteString | undefined {
    return this.#tenants.has(candidate) ? candidate : undefined;
  }
}

/**
 * Whether a stricter template could give a key of `loose` to an unknown tenant. Not where the looser suffix already
 * holds a `:`, since no unknown id is believed to hold one, and the rest of the key lies behind it.
 */
function canTakeFrom(strict: KeyTemplate, loose: KeyTemplate): boolean {
  return !(loose.suffix.includes(':') && strict.prefix.length <= loose.prefix.length);
}

function namesSomeTenant({ prefix, suffix, open }: KeyTemplate, key: ByteString): boolean {
  if (!key.startsWith(prefix)) return false;
  const end = open ? key.indexOf(suffix, prefix.length + 1) : key.length - suffix.length;
  return end > prefix.length && key.startsWith(suffix, end) && !key.slice(prefix.length, end).includes(':');
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

function ambiguity(templates: readonly KeyTemplate[], tenant: string): string | undefined {
  const id = fromText(tenant);
  for (const [index, loose] of bySpecificity(templates).entries()) {
    for (const strict of bySpecificity(templates).slice(0, index)) {
      if (readsAnotherTenant(strict, claimedPrefix(loose, id), id, loose)) {
        return `keys of ${tenant} under '${loose.text}' read as another tenant's under '${strict.text}'`;
      }
    }
  }
  return undefined;
}

/** Whether `strict` can parse a tenant other than `id` out of a key that starts with `start`, a claim of `loose`. */
function readsAnotherTenant(strict: KeyTemplate, start: ByteString, id: ByteString, loose: KeyTemplate): boolean {
  if (strict.prefix !== loose.prefix && overlap(claimedBy(strict, id), claimedBy(loose, id))) return true;
  if (strict.prefix.length > loose.prefix.length) return overlapStart(strict.prefix, start);
  if (!start.startsWith(strict.prefix)) return false;
  const end = start.indexOf(strict.suffix, strict.prefix.length + 1);
  return strict.suffix !== '' && end > 0 && start.slice(strict.prefix.length, end) !== id;
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

function bySpecificity(templates: readonly KeyTemplate[]): readonly KeyTemplate[] {
  const literal = (template: KeyTemplate) => template.prefix.length + template.suffix.length;
  return [...templates].sort((a, b) => literal(b) - literal(a) || Number(a.open) - Number(b.open));
}
