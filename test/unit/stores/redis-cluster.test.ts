import { expect, test } from 'vitest';
import { ByteBudget } from '../../../src/stages/redis/byte-budget.ts';
import { migratingSlots, parseRedirect, parseTopology } from '../../../src/stores/redis/cluster-topology.ts';
import { keySlot } from '../../../src/stores/redis/key-slot.ts';
import { keyOf, Recorder } from '../../../src/stores/redis/recorded-commands.ts';

test.each([
  ['', 0],
  ['123456789', 12_739],
  ['foo', 12_182],
  ['{user1000}.following', 3_443],
  ['{user1000}.followers', 3_443],
  ['foo{}{bar}', 8_363],
  ['foo{{bar}}zap', 4_015],
  ['foo{bar}{zap}', 5_061],
])("the slot of '%s' is the one that the specification gives", (key, slot) => {
  expect(keySlot(key)).toBe(slot);
});

test('a topology is read as the cluster tells it, with the host that was asked where it tells none', () => {
  const { masters, owners } = parseTopology(
    [
      [0, 99, ['10.0.0.1', 7000, 'a', []], ['10.0.0.9', 7000, 'replica', []]],
      [101, 16_383, ['', 7001, 'b', []]],
      [100, 100, ['10.0.0.1', 7000, 'a', []]],
    ],
    'seed',
  );
  expect([...masters]).toEqual([
    ['a', { host: '10.0.0.1', port: 7000 }],
    ['b', { host: 'seed', port: 7001 }],
  ]);
  expect([owners[99], owners[100], owners[101], owners[16_383]]).toEqual(['a', 'a', 'b', 'b']);
});

test('redirections and slots on their way are told from other text', () => {
  expect(parseRedirect('MOVED 3999 127.0.0.1:6381')).toEqual({ kind: 'MOVED', host: '127.0.0.1', port: 6381 });
  expect(parseRedirect('ASK 1 ::1:7000')).toEqual({ kind: 'ASK', host: '::1', port: 7000 });
  expect(parseRedirect('MOVED 3999 :6381')).toEqual({ kind: 'MOVED', host: '', port: 6381 });
  expect(parseRedirect('ERR no such key')).toBeUndefined();
  expect(migratingSlots('id 1:2@3 myself,master - 0 0 1 connected 0-5 [93->-abc] [77-<-def]\n')).toEqual([93, 77]);
});

test('a command is sent by the key that it names', () => {
  const recorder = new Recorder();
  recorder
    .call('get', 'k')
    .callBuffer('XINFO', 'STREAM', 's')
    .call('EVAL', 'return 1', '1', 'e')
    .call('PING')
    .call('PEXPIRETIME');
  expect(recorder.commands.map(({ command }) => keyOf(command))).toEqual(['k', 's', 'e', undefined, undefined]);
  expect(recorder.commands.map(({ bytes }) => bytes)).toEqual([false, true, false, false, false]);
});

test('a budget of bytes lets small work run side by side and large work alone, in order', async () => {
  const budget = new ByteBudget(10);
  const log: string[] = [];
  const work = (name: string, bytes: number) =>
    budget.with(bytes, async () => {
      log.push(`${name} begins`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      log.push(`${name} ends`);
    });
  await Promise.all([work('a', 5), work('b', 5), work('large', 99), work('c', 1)]);
  expect(log.slice(0, 2)).toEqual(['a begins', 'b begins']);
  expect(log.slice(4)).toEqual(['large begins', 'large ends', 'c begins', 'c ends']);
});
