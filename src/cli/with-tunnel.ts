import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { platform } from 'node:os';
import { resolve } from 'node:path';
import { MigrateError } from '../model/errors.ts';
import type { StageName } from '../stages/stage.ts';
import { wireFarEnds } from '../wire.ts';
import type { CommandContext } from './invocation.ts';
import type { Settings } from './settings.ts';
import { withoutSecrets } from './without-secrets.ts';

/** Who needs the stores, and who is told of the tunnel. */
interface Asked {
  readonly settings: Settings;
  readonly skipped: readonly StageName[];
  readonly ctx: CommandContext;
  readonly tell: (text: string) => void;
  /** False where the work itself looks which stores answer. */
  readonly prove?: boolean;
}

/**
 * Does the work with settings that lead through the tunnel, where `--ssh` names one, and closes it however the work
 * ends. Before that all stores in use have answered through it. Throws MigrateError, before any work, where one cannot.
 */
export async function withTunnel<T>(asked: Asked, work: (settings: Settings) => Promise<T>): Promise<T> {
  const { settings, skipped, ctx, tell } = asked;
  if (settings.ssh === undefined) return work(settings);
  const ends = wireFarEnds(settings, skipped);
  await refuseUnusable(settings);
  const { Tunnel } = await import('../tunnel/tunnel.ts');
  const ssh = {
    target: settings.ssh,
    identity: absolute(settings['ssh-identity']),
    config: absolute(settings['ssh-config']),
    jump: settings['ssh-jump'],
    timeoutMs: settings['ssh-timeout'],
  };
  const tunnel = await Tunnel.open(ssh, { env: envOfSsh(ctx.terminal.env), signal: ctx.signal, tell });
  try {
    for (const { far } of ends) await tunnel.reach(far);
    if (asked.prove !== false) for (const { far, proof } of ends) await tunnel.prove(far, proof);
    tell(`the tunnel through ${tunnel.name} stands`);
    return await work({ ...settings, tunnel });
  } finally {
    await tunnel.close();
  }
}

async function refuseUnusable(settings: Settings): Promise<void> {
  if (platform() === 'win32') {
    throw new MigrateError('unsupported', '--ssh needs socket files, which ssh for Windows does not have', {
      next: 'open the forwards by hand with ssh -N -L …, and leave out --ssh',
    });
  }
  for (const name of ['ssh-identity', 'ssh-config'] as const) {
    const path = settings[name];
    if (path === undefined) continue;
    try {
      await access(path, constants.R_OK);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new MigrateError('usage', `--${name} ${path} cannot be read (${code})`, { next: 'correct the path' });
    }
  }
}

function absolute(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path);
}

/** What ssh and its helpers may see: agent and home, and nothing of ours. */
function envOfSsh(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _ours, ...kept } = withoutSecrets(env);
  // A window that asks for a password would be waited for behind the run's back.
  return { ...kept, SSH_ASKPASS_REQUIRE: 'never' };
}
