import { expect, test } from 'vitest';
import { check } from '../../../src/doctor/common-checks.ts';
import { examine } from '../../../src/doctor/examine.ts';

const ok = (name: string) => check('redis', name, 'ok', name);
const never = () => new Promise<never>(() => undefined);
const explain = (area: 'local', error: unknown) => check(area, 'reach', 'error', (error as Error).message, 'wait');

test('an area that fails or is silent costs its own lines only, and what it found before is kept', async () => {
  const closed: string[] = [];
  const close = (name: string) => () => {
    closed.push(name);
    // A server that does not even say goodbye.
    return never();
  };
  const broken = async () => {
    throw new Error('broken');
  };
  const areas = [
    { area: 'redis' as const, steps: [async () => [ok('a')], never, async () => [ok('b')]], close: close('silent') },
    { area: 'graph' as const, steps: [async () => [ok('c')], broken], close: close('broken') },
    { area: 'qdrant' as const, steps: [async () => [ok('d'), ok('e')]], close: close('sound') },
  ];
  const patience = { limitMs: 30, signal: new AbortController().signal, explain: explain as never };
  const checks = await examine(areas, patience);
  expect(checks.map(({ text }) => text)).toEqual(['a', 'no answer within 0.03 s', 'c', 'broken', 'd', 'e']);
  expect(closed.sort()).toEqual(['broken', 'silent', 'sound']);
});

test('a stop ends all looks at once', async () => {
  const stop = new AbortController();
  const patience = { limitMs: 60_000, signal: stop.signal, explain: explain as never };
  const looking = examine([{ area: 'redis', steps: [never] }], patience);
  stop.abort(new Error('stopped'));
  await expect(looking).rejects.toThrow('stopped');
});
