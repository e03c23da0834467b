import { describe, expect, test } from 'vitest';
import { pointId } from '../../scripts/seed/point-id.ts';
import { randomFor } from '../../scripts/seed/random.ts';
import { tenantKeys } from '../../scripts/seed/tenant-keys.ts';
import { guideTenant } from '../../scripts/seed/tenant-size.ts';
import lightrag from '../fixtures/lightrag-workspace.json' with { type: 'json' };

const keysOf = (tenant: string, total: number, seed = 1) => [...tenantKeys({ seed, tenant, total })];

describe('seeded tenants', () => {
  test('the guide’s tenant has exactly the guide’s number of keys, each once, beside record and unclaimed ones', () => {
    const keys = keysOf(guideTenant.tenant, guideTenant.keys);
    const claimed = keys.filter(({ kind }) => kind === 'claimed').map(({ key }) => Buffer.from(key).toString('latin1'));
    expect(claimed.length).toBe(38_491);
    expect(new Set(claimed).size).toBe(38_491);
    expect(keys.filter(({ kind }) => kind === 'config record').map(({ key }) => key)).toEqual(['tenant:config:siraya']);
    expect(keys.filter(({ kind }) => kind === 'unclaimed')).not.toEqual([]);
  });

  test('a small tenant has every Redis type', () => {
    const used = new Set(keysOf('siraya', 60).flatMap(({ commands }) => commands.map(([name]) => name)));
    for (const name of ['SET', 'HSET', 'RPUSH', 'SADD', 'ZADD', 'XADD', 'XGROUP', 'PFADD', 'SETBIT', 'GEOADD'])
      expect(used).toContain(name);
  });

  test('the same seed gives the same data, another seed other data', () => {
    expect(keysOf('siraya', 200)).toEqual(keysOf('siraya', 200));
    expect(keysOf('siraya', 200, 2)).not.toEqual(keysOf('siraya', 200));
  });

  test('LightRAG’s point ids are the ones that LightRAG itself wrote', () => {
    const points = Object.values(lightrag.qdrant).flatMap((collection) => collection.points);
    for (const { id, payload } of points) expect(pointId('lightrag', randomFor('unused'), 'acme', payload.id)).toBe(id);
  });
});
