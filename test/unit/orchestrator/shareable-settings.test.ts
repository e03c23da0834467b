import { expect, test } from 'vitest';
import { shareableSettings } from '../../../src/orchestrator/shareable-settings.ts';

test('a report shows of hooks, probes and files no more than others may know', () => {
  const settings = {
    'redis-url': 'redis://cache:6379/2',
    'config-secrets': '/home/me/secrets.json',
    'backup-template': '/x/{tenant}',
    hook: [
      'before-plan=https://ops.example.com/T00/key-of-the-path?token=key-of-the-query',
      'after-run=HTTPS://ops.example.com?key-of-the-query',
      'on-failure=["/home/me/my fence.sh","--all"]',
      'before-stage=["notify","/home/me"]',
    ],
    probe: ['redis-latency:slow=20ms', 'https://ops.example.com/go?token=key-of-the-query', 'file:/run/go'],
    'key-template': ['http://{tenant}/a?b'],
    batch: 5,
  };
  expect(shareableSettings(settings)).toEqual({
    ...settings,
    'config-secrets': '…/secrets.json',
    hook: [
      'before-plan=https://ops.example.com/…',
      'after-run=HTTPS://ops.example.com/…',
      'on-failure=["…/my fence.sh","--all"]',
      'before-stage=["notify","/home/me"]',
    ],
    probe: ['redis-latency:slow=20ms', 'https://ops.example.com/go?…', 'file:/run/go'],
  });
});
