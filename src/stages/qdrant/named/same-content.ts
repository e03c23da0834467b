import { type PointText, payloadOf } from '../../../model/point-text.ts';
import { canonicalRaw, rawMembers } from '../../../model/raw-json.ts';
import { payloadWithout, type TenantField } from '../field-forms.ts';

/** True where two points differ in nothing but the tenant's field. */
export function sameButForTenant(a: PointText, b: PointText, field: TenantField): boolean {
  return contentWithout(a, field) === contentWithout(b, field);
}

function contentWithout(point: PointText, field: TenantField): string {
  const payload = payloadWithout(rawMembers(canonicalRaw(payloadOf(point))), field);
  return `${payload} ${canonicalRaw(rawMembers(point).get('vector') ?? 'null')}`;
}
