import { rawMembers, withRawMember } from '../../model/raw-json.ts';

/** A payload's text with the tenant changed in its field; not a character of the rest is touched. */
export function withTenant(payload: string, field: string, tenant: string): string {
  return withRawMember(payload, field, JSON.stringify(tenant));
}

/** The tenant that a payload's text names in its field; undefined where that is no string. */
export function tenantOf(payload: string, field: string): string | undefined {
  return tenantIn(rawMembers(payload), field);
}

/** The same of a payload in pieces. */
export function tenantIn(payload: ReadonlyMap<string, string>, field: string): string | undefined {
  const value = payload.get(field);
  return value?.startsWith('"') ? (JSON.parse(value) as string) : undefined;
}
