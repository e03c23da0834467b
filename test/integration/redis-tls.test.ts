import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { runCliHere } from '../support/cli-in-process.ts';
import { runIds } from '../support/redis-run.ts';
import { freshTlsRedis, KEY_PASSPHRASE, tlsFile } from '../support/redis-tls.ts';
import { rawRedis } from '../support/redis-world.ts';

let server: Awaited<ReturnType<typeof freshTlsRedis>>;
let raw: Redis;
let stateDir: string;
const env = { REDIS_KEY_PASSPHRASE: KEY_PASSPHRASE };
const ca = ['--redis-ca', tlsFile('ca.crt')];
const certificate = ['--redis-cert', tlsFile('client.crt'), '--redis-key', tlsFile('client.key')];

beforeAll(async () => {
  server = await freshTlsRedis();
  raw = rawRedis(server.port);
});

afterAll(async () => {
  raw.disconnect();
  await server.stop();
});

beforeEach(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'tenant-migrate-tls-'));
  await raw.flushall();
  for (let n = 0; n < 50; n += 1) await raw.set(`acme_text_chunks:${n}`, `${n}`, 'EX', 86_400);
});

function cli(words: readonly string[], variables: Readonly<Record<string, string>> = env) {
  return runCliHere([...words, '--state-dir', stateDir], variables);
}

const keysOf = async (tenant: string) => (await raw.keys(`${tenant}_text_chunks:*`)).length;
const tlsUrl = () => ['--redis-url', `rediss://127.0.0.1:${server.tlsPort}`];

test('a move over TLS is made, recorded without its passphrase, and rolled back; every connection speaks TLS', async () => {
  await raw.config('RESETSTAT');
  const moved = await cli(['acme', 'tenant_7', '--only', 'redis', ...tlsUrl(), ...ca, ...certificate]);
  expect(moved, moved.stderr).toMatchObject({ code: 0 });
  expect([await keysOf('acme'), await keysOf('tenant_7')]).toEqual([0, 50]);
  // Reader, writer and the locks' connection; the look from here was there before.
  expect(await raw.info('stats')).toContain('total_connections_received:3');
  const record = readFileSync(join(stateDir, 'runs', runIds(stateDir)[0] ?? '', 'run.json'), 'utf8');
  expect(JSON.parse(record).settings).toMatchObject({ 'redis-ca': tlsFile('ca.crt') });
  expect(record).not.toContain(KEY_PASSPHRASE);
  const back = await cli(['rollback', runIds(stateDir)[0] ?? '']);
  expect(back, back.stderr).toMatchObject({ code: 0 });
  expect(await keysOf('acme')).toBe(50);
});

test('a certificate that names another host is taken under the name that is given', async () => {
  const named = [...ca, ...certificate, '--redis-tls-servername', 'redis.example'];
  expect(await cli(['plan', 'acme', 'tenant_7', '--only', 'redis', ...tlsUrl(), ...named])).toMatchObject({ code: 0 });
});

interface Wrong {
  readonly what: string;
  readonly flags: () => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly says: RegExp;
}

const WRONG: readonly Wrong[] = [
  {
    what: 'an authority that did not sign the server’s certificate',
    flags: () => [...tlsUrl(), '--redis-ca', tlsFile('other-ca.crt'), ...certificate],
    says: /certificate[\s\S]*--redis-ca did not sign/,
  },
  { what: 'no authority', flags: () => [...tlsUrl(), ...certificate], says: /with --redis-ca/ },
  {
    what: 'another host name',
    flags: () => [...tlsUrl(), ...ca, ...certificate, '--redis-tls-servername', 'elsewhere.example'],
    says: /elsewhere\.example[\s\S]*--redis-tls-servername/,
  },
  { what: 'no client certificate', flags: () => [...tlsUrl(), ...ca], says: /asks for a client certificate/ },
  {
    what: 'a client certificate that nobody signed',
    flags: () => [...tlsUrl(), ...ca, '--redis-cert', tlsFile('stranger.crt'), '--redis-key', tlsFile('stranger.key')],
    says: /does not take this client certificate/,
  },
  {
    what: 'no passphrase for the key',
    flags: () => [...tlsUrl(), ...ca, ...certificate],
    env: {},
    says: /REDIS_KEY_PASSPHRASE/,
  },
  {
    what: 'a file that is not there',
    flags: () => [...tlsUrl(), '--redis-ca', '/nowhere/ca.crt'],
    says: /--redis-ca \/nowhere\/ca\.crt cannot be read/,
  },
  {
    what: 'TLS where the server speaks none',
    flags: () => ['--redis-port', `${server.port}`, '--redis-tls', ...ca, '--connect-timeout', '1'],
    says: /does not speak TLS: leave out --redis-tls/,
  },
  {
    what: 'no TLS where the server speaks it alone',
    flags: () => ['--redis-port', `${server.tlsPort}`],
    says: /speaks TLS: add --redis-tls/,
  },
];

test.each(WRONG)('$what is refused before any write, with what to do', async ({ flags, says, env: variables }) => {
  const refused = await cli(['acme', 'tenant_7', '--only', 'redis', ...flags()], variables);
  expect(refused).toMatchObject({ code: 5 });
  expect(`${refused.stdout}${refused.stderr}`).toMatch(says);
  expect(await keysOf('acme')).toBe(50);
});

test('a certificate without its key is a wrong command line', async () => {
  const half = await cli(['acme', 'tenant_7', ...tlsUrl(), ...certificate.slice(0, 2)]);
  expect(half).toMatchObject({ code: 64, stderr: expect.stringContaining('--redis-cert and --redis-key') });
});
