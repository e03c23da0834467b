import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findOnPath } from '../../scripts/services/find-on-path.ts';
import { run } from '../../scripts/services/run-command.ts';
import { RedisWorld } from '../support/redis-world.ts';
import { total } from '../support/stage-context.ts';

const compiler = await findOnPath('cc');
const KEYS = 12;

describe.skipIf(compiler === undefined)('keys of a type that a module made (not run here without a C compiler)', () => {
  let world: RedisWorld;

  beforeAll(async () => {
    const module = join(mkdtempSync(join(tmpdir(), 'tenant-migrate-module-')), 'text-type.so');
    const source = join(import.meta.dirname, '../fixtures/redis-module/text-type.c');
    await run(compiler ?? '', ['-shared', '-fPIC', '-o', module, source]);
    world = await RedisWorld.start(['--loadmodule', module]);
  });

  afterAll(() => world?.stop());

  beforeEach(async () => {
    await world.reset();
    for (let n = 0; n < KEYS; n += 1) await put('siraya', n, `text ${n}`);
    await world.raw.pexpire('siraya:3', 86_400_000);
    await world.raw.set('siraya:plain', 'a string');
  });

  const put = (tenant: string, n: number, text: string) => world.raw.call('TEXTTYPE.SET', `${tenant}:${n}`, text);

  /** Texts and expiries of a tenant's keys, read by the module itself. */
  const texts = (tenant: string) =>
    Promise.all(
      Array.from({ length: KEYS }, async (_, n) => {
        const key = `${tenant}:${n}`;
        return [await world.raw.call('TEXTTYPE.GET', key), await world.raw.pexpiretime(key)];
      }),
    );
  const none = Array.from({ length: KEYS }, () => [null, -2]);

  test('are named in the plan, moved with their expiry, verified by content, and taken back', async () => {
    const before = await texts('siraya');
    const plan = await world.plan({ verify: 'full' });
    expect(plan.notices).toContainEqual(
      expect.objectContaining({ kind: 'module-type', where: 'text-type', count: KEYS }),
    );
    expect(total(await world.apply(plan), 'moved')).toBe(KEYS + 1);
    expect([await texts('tenant_7'), await texts('siraya')]).toEqual([before, none]);
    expect(await world.differences(plan, { verify: 'full' })).toEqual([]);
    await put('tenant_7', 5, 'another text');
    expect(await world.differences(plan, { verify: 'full' })).not.toEqual([]);
    await put('tenant_7', 5, 'text 5');
    await world.undo(plan);
    expect(await texts('siraya')).toEqual(before);
  });

  test('that stand at both ends are removed at the source, and made again from their dump', async () => {
    const merge = { merge: true } as const;
    await put('tenant_7', 1, 'text 1');
    await world.raw.set('tenant_7:plain', 'a string');
    const before = await texts('siraya');
    const plan = await world.plan(merge);
    await world.apply(plan, merge);
    expect(total(await world.finalize(plan, merge), 'skipped')).toBe(2);
    expect(await texts('siraya')).toEqual(none);
    await world.undo(plan, merge);
    expect(await texts('siraya')).toEqual(before);
    expect(await world.raw.get('siraya:plain')).toBe('a string');
  });
});
