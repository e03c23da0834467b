import { expect, it } from 'vitest';
import { type RawFlags, readSettings } from '../../../src/cli/settings.ts';
import { parseNodeMap, reachableNode } from '../../../src/stores/redis/node-map.ts';
import { redisDatabases, redisStoreAddress } from '../../../src/wire/redis-settings.ts';

async function databases(flags: RawFlags, env: Record<string, string> = {}) {
  return redisDatabases(await readSettings({ command: 'move', flags, env }), { clientName: 'x' });
}

const addressOf = async (flags: RawFlags) => redisStoreAddress(await databases(flags));

it('a run knows its Redis by host and databases, or by the sentinels: never by who is the master', async () => {
  expect(await addressOf({})).toBe('127.0.0.1:6379/0');
  expect(await addressOf({ 'redis-db': '3,0,3' })).toBe('127.0.0.1:6379/0,3');
  expect(await addressOf({ 'redis-url': 'rediss://h:1/2', 'redis-db': '0,1' })).toBe('h:1/2');
  const sentinels = { 'redis-sentinel': 'a:1, [::1]', 'redis-sentinel-name': 'main' };
  expect(await addressOf(sentinels)).toBe('sentinel:main@a:1,[::1]:26379/0');
});

it('TLS is spoken where anything of it is asked for, and nowhere else', async () => {
  const tls = async (flags: RawFlags) => (await databases(flags, { REDIS_KEY_PASSPHRASE: 'p' }))[0]?.tls;
  expect(await tls({ 'redis-url': 'redis://h' })).toBeUndefined();
  for (const flags of [{ 'redis-tls': true }, { 'redis-url': 'rediss://h' }]) expect(await tls(flags)).toBeDefined();
  expect(await tls({ 'redis-ca': 'ca.pem' })).toMatchObject({ caFile: 'ca.pem', passphrase: 'p' });
});

it('a run that spoke TLS by its URL speaks it when it is gone on with at another host', async () => {
  const { recorded } = await readSettings({ command: 'move', flags: { 'redis-url': 'rediss://h:1' }, env: {} });
  const resumed = await readSettings({ command: 'resume', flags: { 'redis-host': 'new' }, env: {}, recorded });
  const [redis] = redisDatabases(resumed, { clientName: 'x' });
  expect(redis).toMatchObject({ host: 'new', tls: expect.anything() });
});

it.each<[RawFlags, string]>([
  [{ 'redis-db': '0,x' }, 'several such as 0,1'],
  [{ 'redis-db': '' }, 'several such as 0,1'],
  [{ 'redis-sentinel': 'h:0' }, 'host:port'],
  [{ 'redis-sentinel': 'u:p@h:1' }, 'host:port'],
  [{ 'redis-sentinel': 'h:1', 'redis-url': 'redis://h' }, 'takes the place of --redis-url'],
  [{ 'redis-node-map': ['h:1=g'] }, 'reachable-host:port'],
  [{ 'redis-key': 'key.pem' }, 'belong together'],
])('%j is refused', async (flags, reason) => {
  await expect(databases(flags)).rejects.toMatchObject({ code: 'usage', message: expect.stringContaining(reason) });
});

it('an announced address is reached at the one that the map gives, by address, or by host for all ports', () => {
  const map = parseNodeMap(['10.0.0.5:6379=127.0.0.1:16379', '10.0.0.6=db.example', '[::1]:1=[::2]:2']);
  expect(reachableNode({ host: '10.0.0.5', port: 6379 }, map)).toEqual({ host: '127.0.0.1', port: 16379 });
  expect(reachableNode({ host: '10.0.0.5', port: 6380 }, map)).toEqual({ host: '10.0.0.5', port: 6380 });
  expect(reachableNode({ host: '10.0.0.6', port: 7 }, map)).toEqual({ host: 'db.example', port: 7 });
  expect(reachableNode({ host: '::1', port: 1 }, map)).toEqual({ host: '::2', port: 2 });
});
