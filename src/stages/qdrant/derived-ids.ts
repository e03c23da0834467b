import { createHash } from 'node:crypto';
import type { PointIdScheme } from '../../profiles/profile.ts';
import type { PointContent } from '../../stores/qdrant/qdrant-reader.ts';

/**
 * The id token that an application computes for a record of a tenant.
 * LightRAG: `uuid.UUID(bytes=sha256(workspace + id).digest()[:16], version=4)` (lightrag/kg/qdrant_impl.py).
 */
export function derivedId(tenant: string, recordId: string): string {
  const bytes = createHash('sha256').update(tenant).update(recordId).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return JSON.stringify(bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'));
}

/** The scheme by which the most of the points derive from the tenant, with their number; undefined where none does. */
export function derivingScheme(
  schemes: readonly PointIdScheme[],
  points: readonly PointContent[],
  tenant: string,
): { readonly scheme: PointIdScheme; readonly count: number } | undefined {
  return schemes
    .map((scheme) => ({ scheme, count: points.filter((point) => derives(scheme, point, tenant)).length }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count)[0];
}

function derives(scheme: PointIdScheme, point: PointContent, tenant: string): boolean {
  const text = point.payload.get(scheme.payloadField);
  if (text === undefined || !text.startsWith('"')) return false;
  return point.id === derivedId(tenant, JSON.parse(text) as string);
}
