import { join } from 'node:path';
import { freePort } from '../../scripts/services/free-port.ts';
import { freshRedis } from './redis-server.ts';

/** A file of test/fixtures/redis-tls. */
export function tlsFile(name: string): string {
  return join(import.meta.dirname, '../fixtures/redis-tls', name);
}

/** Of the client's key. */
export const KEY_PASSPHRASE = 'test-passphrase';

/** A Redis that asks for a client certificate on `tlsPort`, and answers without TLS on `port`, to be looked at. */
export async function freshTlsRedis(args: readonly string[] = []) {
  const tlsPort = await freePort();
  const tls = ['--tls-port', `${tlsPort}`, '--tls-cert-file', tlsFile('server.crt'), '--tls-key-file'];
  const trust = [tlsFile('server.key'), '--tls-ca-cert-file', tlsFile('ca.crt')];
  return { ...(await freshRedis([...tls, ...trust, ...args])), tlsPort };
}
