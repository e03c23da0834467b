import { pingHttp } from '../http-ping.ts';
import { type ConfigApiSettings, type ConfigBody, openConfigReader } from './config-api.ts';
import { openHttp } from './http.ts';
import { failure } from './reply.ts';

/** What looks at a config API by GET alone. */
export interface ConfigHealthProbe {
  /** Asks for a tenant's config a few times. Throws MigrateError `unreachable`. */
  reach(tenant: string): Promise<{ readonly ms: readonly number[]; readonly skewMs: number | undefined }>;
  /** The tenant's record, or undefined where the API says that it has none. Throws as the reader does. */
  get(tenant: string): Promise<ConfigBody | undefined>;
  address(tenant: string): string;
  close(): Promise<void>;
}

const PINGS = 3;

/** Connects nowhere yet. Throws MigrateError `settings`. */
export async function openConfigHealth(settings: ConfigApiSettings): Promise<ConfigHealthProbe> {
  const http = await openHttp(settings);
  const reader = await openConfigReader(settings);
  const headers = {
    accept: 'application/json',
    ...(settings.token === undefined ? {} : { authorization: `Bearer ${settings.token}` }),
  };
  return {
    address: (tenant) => http.address(tenant),
    async reach(tenant) {
      const address = http.address(tenant);
      try {
        return await pingHttp({
          through: settings.through,
          url: address,
          headers,
          timeoutMs: settings.timeoutMs,
          times: PINGS,
        });
      } catch (cause) {
        const { code, message } = cause as { readonly code?: unknown; readonly message: string };
        const lost = typeof code === 'string' ? code : message;
        throw failure({ lost, cause }, { method: 'GET', tenant, address, secrets: [] });
      }
    },
    get: (tenant) => reader.get(tenant),
    async close() {
      await Promise.all([http.close(), reader.close()]);
    },
  };
}
