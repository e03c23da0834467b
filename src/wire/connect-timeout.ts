import type { Settings } from '../cli/settings.ts';

/** Longest wait for a connection, ms: who connects while a tunnel is away waits until it stands again. */
export function connectTimeout(settings: Settings): number {
  return settings['connect-timeout'] + (settings.tunnel === undefined ? 0 : settings['ssh-timeout']);
}
