import { MigrateError } from '../../model/errors.ts';
import { areSshTargets, parseSshTarget } from '../../tunnel/ssh-target.ts';
import { filled, seconds } from './checks.ts';

/** What the settings of this group must be. */
export const tunnelShape = {
  ssh: filled
    .refine((text) => parseSshTarget(text) !== undefined, 'is not [user@]host[:port]')
    .transform((text) => (text === 'none' ? undefined : text))
    .optional(),
  'ssh-identity': filled.optional(),
  'ssh-jump': filled.refine(areSshTargets, 'is not [user@]host[:port], nor several with commas between').optional(),
  'ssh-config': filled.optional(),
  'ssh-timeout': seconds,
};

/** A key or a jump host without a tunnel would be dropped in silence, and the stores reached directly. */
export function refuseHalfTunnel(given: Readonly<Record<string, unknown>>): void {
  if (given.ssh !== undefined) return;
  for (const name of ['ssh-identity', 'ssh-jump', 'ssh-config']) {
    if (given[name] === undefined) continue;
    throw new MigrateError('usage', `--${name} is given without --ssh`, { next: 'add --ssh [user@]host[:port]' });
  }
}
