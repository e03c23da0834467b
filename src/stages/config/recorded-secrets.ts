import { canonicalJson, type Json } from '../../model/json.ts';
import {
  fieldName,
  fitsMask,
  isBareMask,
  replaceSecrets,
  type Sections,
  secretFields,
} from '../../model/secret-mask.ts';
import type { Profile } from '../../profiles/profile.ts';
import type { GivenFields } from './config-secrets.ts';
import { pickSections } from './record.ts';

/** Where the application keeps its tenants' configs unmasked, if it can be read. */
export interface UnmaskedRecords {
  /** The tenant's record as it is kept; undefined where there is none, or it cannot be read. */
  read(tenant: string): Promise<Json | undefined>;
}

/** What a tenant's record tells of its secrets. */
export interface Recorded {
  /** By the name of the field. */
  readonly recorded: GivenFields;
  /** Whether the application keeps a record of the tenant at all. */
  readonly kept: boolean;
}

const NONE: Recorded = { recorded: new Map(), kept: false };

/**
 * The real values of the fields that the API masks, by name, as far as the application's own record proves them: it is
 * this tenant's, its section is the API's but for the secrets, and the value has the mask that the API shows. Behind a
 * bare `***` any value could stand, so none is taken.
 */
export async function recordedFields(
  records: UnmaskedRecords | undefined,
  tenant: string,
  found: Sections | undefined,
  profile: Profile,
): Promise<Recorded> {
  const { maskedMembers } = profile.config;
  const masked = secretFields(found ?? {}, maskedMembers).filter((field) => field.masked && !isBareMask(field.value));
  if (records === undefined || masked.length === 0) return NONE;
  const record = await records.read(tenant);
  if (!isMembers(record) || record.tenant_id !== tenant) return NONE;
  const own = pickSections(record, profile);
  const real = new Map(secretFields(own, maskedMembers).map(({ path, value }) => [fieldName(path), value]));
  const recorded = new Map(
    masked.flatMap(({ path, value }): [string, string][] => {
      const secret = real.get(fieldName(path));
      const agrees = sameButSecrets(found, own, { section: String(path[0]), maskedMembers });
      return secret !== undefined && agrees && fitsMask(secret, value) ? [[fieldName(path), secret]] : [];
    }),
  );
  return { recorded, kept: true };
}

/** Names of fields whose real value is known at both ends and the same. */
export function provenEqual(a: GivenFields, b: GivenFields): ReadonlySet<string> {
  return new Set([...a].flatMap(([name, value]) => (b.get(name) === value ? [name] : [])));
}

/** Names of fields whose real value is known at both ends and not the same. */
export function provenDifferent(a: GivenFields, b: GivenFields): readonly string[] {
  return [...a].flatMap(([name, value]) => (b.has(name) && b.get(name) !== value ? [name] : []));
}

function sameButSecrets(
  a: Sections | undefined,
  b: Sections,
  { section, maskedMembers }: { readonly section: string; readonly maskedMembers: readonly string[] },
): boolean {
  const [one, other] = [a ?? {}, b].map((sections) => {
    const only = { [section]: sections[section] ?? null };
    return canonicalJson(replaceSecrets(only, maskedMembers, () => 'secret'));
  });
  return one === other;
}

function isMembers(value: Json | undefined): value is Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
