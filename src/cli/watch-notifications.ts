import { hostname } from 'node:os';
import { MigrateError } from '../model/errors.ts';
import type { SecretName } from './flags.ts';
import type { Observed, Observer } from './observers.ts';
import { ownVersion } from './own-version.ts';
import type { Settings } from './settings.ts';

/** Messages to people: by webhook, Slack, PagerDuty, and mail. A dry run tells nobody. */
export async function openNotifications(observed: Observed): Promise<Observer | undefined> {
  const { invocation, settings, list, tell } = observed;
  if (settings.notify === undefined) return undefined;
  const whom = receiversOf(settings, new Set(settings.notify));
  if (settings['dry-run']) return undefined;
  const { watchNotifications } = await import('../observe/notify/watch-notifications.ts');
  return watchNotifications({
    ...whom,
    on: settings['notify-on'],
    closeMs: settings['notify-timeout'],
    command: invocation.command,
    list,
    host: hostname(),
    version: await ownVersion(),
    clock: { now: () => Date.now() },
    tell,
  });
}

/** Throws MigrateError `usage` where one that is asked for lacks what it needs. */
function receiversOf(settings: Settings, asked: ReadonlySet<string>) {
  const { secrets, 'pagerduty-url': url, 'mail-to': to = [], 'mail-from': from = to[0] } = settings;
  if (asked.has('mail') && from === undefined) {
    throw new MigrateError('usage', '--notify mail needs --mail-to', { next: 'say who gets the mail' });
  }
  const secret = (channel: string, name: SecretName): string => {
    const value = secrets[name];
    if (value !== undefined) return value;
    throw new MigrateError('usage', `--notify ${channel} needs ${name}`, {
      next: `set ${name} or ${name}_FILE in the environment`,
    });
  };
  const secretUrl = (channel: string, name: SecretName, protocols: readonly string[]): string => {
    const value = secret(channel, name);
    if (URL.canParse(value) && protocols.includes(new URL(value).protocol) && new URL(value).host !== '') return value;
    throw new MigrateError('usage', `${name} is not an address like ${protocols[0]}//host`, {
      next: `correct ${name}`,
    });
  };
  const http = ['https:', 'http:'];
  return {
    webhook: asked.has('webhook')
      ? { url: secretUrl('webhook', 'WEBHOOK_URL', http), secret: secrets.WEBHOOK_SECRET }
      : undefined,
    slack: asked.has('slack') ? { url: secretUrl('slack', 'SLACK_WEBHOOK_URL', http) } : undefined,
    pagerDuty: asked.has('pagerduty') ? { url, routingKey: secret('pagerduty', 'PAGERDUTY_ROUTING_KEY') } : undefined,
    mail:
      asked.has('mail') && from !== undefined
        ? { url: secretUrl('mail', 'SMTP_URL', ['smtps:', 'smtp:']), to, from }
        : undefined,
  };
}
