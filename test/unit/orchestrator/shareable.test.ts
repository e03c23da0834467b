import { expect, it } from 'vitest';
import { shareable } from '../../../src/orchestrator/shareable.ts';

it('shows of hooks, probes and files only what others may see', () => {
  const settings = {
    'redis-host': 'r1',
    'redis-ca': '/etc/secret/ca.pem',
    'key-template': ['/{tenant}:*'],
    hook: [
      'after-run=https://hooks.example:8443/services/T0/KEY?token=KEY',
      'before-plan=["/opt/secret/fence.sh","--token","KEY"]',
      'on-failure=["fence"]',
    ],
    probe: [
      'redis-latency:slow=20ms',
      'https://gate.example/may-i?token=KEY',
      'http:http://gate.example/x#KEY',
      'panic-file:/home/secret/stop',
    ],
  };
  expect(shareable(settings)).toEqual({
    'redis-host': 'r1',
    'redis-ca': '…/ca.pem',
    'key-template': ['/{tenant}:*'],
    hook: ['after-run=hooks.example:8443', 'before-plan=fence.sh …', 'on-failure=fence'],
    probe: [
      'redis-latency:slow=20ms',
      'https://gate.example/may-i?…',
      'http:http://gate.example/x?…',
      'panic-file:…/stop',
    ],
  });
});
