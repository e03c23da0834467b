import { request } from 'undici';
import { tenantConfig } from './tenant-config.ts';

/** Gives a tenant its config, unmasked secrets included, as the application's own client does. */
export async function seedConfig({
  apiUrl,
  seed,
  tenant,
}: {
  apiUrl: string;
  seed: number;
  tenant: string;
}): Promise<void> {
  const url = `${apiUrl}/tenants/${encodeURIComponent(tenant)}/config`;
  const body = JSON.stringify(tenantConfig(seed, tenant));
  const reply = await request(url, { method: 'PUT', headers: { 'content-type': 'application/json' }, body });
  const said = await reply.body.text();
  if (reply.statusCode >= 300) throw new Error(`PUT ${url}: ${reply.statusCode} ${said.slice(0, 300)}`);
}
