import { hostname } from 'node:os';
import { pid } from 'node:process';
import { MigrateError } from '../model/errors.ts';
import type { Observed, Observer } from './observers.ts';
import { ownVersion } from './own-version.ts';
import type { Settings } from './settings.ts';

/** Metrics as a file, on a port, and at a Pushgateway. */
export async function openMetrics({ settings, tell }: Observed): Promise<Observer | undefined> {
  const { 'metrics-file': file, 'metrics-port': port, 'metrics-host': host, pushgateway: url } = settings;
  if ((file ?? port ?? url) === undefined || settings['dry-run']) return undefined;
  const { watchMetrics } = await import('../observe/metrics/watch-metrics.ts');
  return watchMetrics({
    file,
    listen: port === undefined ? undefined : { host, port },
    pushgateway: url === undefined ? undefined : { url, authorization: await authorization(settings) },
    intervalMs: settings['metrics-interval'],
    closeMs: settings['notify-timeout'],
    host: hostname(),
    pid,
    version: await ownVersion(),
    clock: { now: () => Date.now() },
    tell,
  });
}

/** A token, or else name and password. */
async function authorization({ secrets }: Settings): Promise<string | undefined> {
  const { PUSHGATEWAY_TOKEN: token, PUSHGATEWAY_USERNAME: name, PUSHGATEWAY_PASSWORD: password } = secrets;
  if (token !== undefined) return `Bearer ${token}`;
  if (name === undefined && password === undefined) return undefined;
  if (name === undefined || password === undefined) {
    throw new MigrateError('usage', 'PUSHGATEWAY_USERNAME and PUSHGATEWAY_PASSWORD belong together', {
      next: 'set the other one, too',
    });
  }
  return (await import('../observe/send.ts')).basic(name, password);
}
