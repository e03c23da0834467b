import { expect, test } from 'vitest';
import { masterArguments } from '../../../src/tunnel/ssh-arguments.ts';
import { sshFailure } from '../../../src/tunnel/ssh-failure.ts';
import { areSshTargets, parseSshTarget } from '../../../src/tunnel/ssh-target.ts';

const settings = { target: 'a@b:7', identity: undefined, config: undefined, jump: undefined, timeoutMs: 30_000 };

test.each([
  ['server.example', { user: undefined, host: 'server.example', port: undefined }],
  ['root@10.0.0.9:2222', { user: 'root', host: '10.0.0.9', port: 2222 }],
  ['de-ploy.x@[2001:db8::1]:22', { user: 'de-ploy.x', host: '2001:db8::1', port: 22 }],
])('%s is a target', (text, target) => {
  expect(parseSshTarget(text)).toEqual(target);
});

test.each(
  [
    ...['', '-oProxyCommand=id', 'root@-oProxyCommand=id', '-l@host', 'a b', 'host;id', '$(id)@host', 'host`id`'],
    ...['host:0', 'host:65536', 'host:22:22', '2001:db8::1', 'a@b@c', 'host\n', 'ssh://host', 'host/x', 'a,b'],
  ].map((text) => [text]),
)('%j is none', (text) => {
  expect(parseSshTarget(text)).toBeUndefined();
});

test('jump hosts stand with commas between, each of them a target', () => {
  expect([areSshTargets('a,b@c:2'), areSshTargets('a,,b'), areSshTargets('a,-x')]).toEqual([true, false, false]);
});

test('host keys are left to ssh’s own config, and nobody is asked', () => {
  const args = masterArguments({ ...settings, identity: '/key', jump: 'c' }, '/s', { isOld: false }).join(' ');
  expect(args).not.toMatch(/HostKey|KnownHosts/);
  expect(args).toMatch(/-o BatchMode=yes .*-o IdentitiesOnly=yes -i \/key -J c -p 7 -l a -- b$/);
});

test('words of ssh that nobody knows are told as they are', () => {
  expect(sshFailure(settings, ['something\\x1b[31m new']).message).toBe(
    'no tunnel through a@b:7: ssh ended (ssh: something\\x1b[31m new)',
  );
});
