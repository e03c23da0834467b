import { createHash } from 'node:crypto';
import { hex, type Random } from './random.ts';

/** How the ids of seeded points come about: by chance, or from tenant and payload id as LightRAG 1.5 does. */
export type IdScheme = 'random' | 'lightrag';

export function pointId(scheme: IdScheme, random: Random, tenant: string, payloadId: string): string {
  const bytes = scheme === 'random' ? Buffer.from(hex(random, 16), 'hex') : lightragBytes(tenant, payloadId);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

function lightragBytes(tenant: string, payloadId: string): Buffer {
  return createHash('sha256')
    .update(tenant + payloadId)
    .digest()
    .subarray(0, 16);
}
