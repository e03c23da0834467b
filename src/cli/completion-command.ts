import { basename } from 'node:path';
import { MigrateError } from '../model/errors.ts';
import { BASH } from './completion/bash.ts';
import { FISH } from './completion/fish.ts';
import { ZSH } from './completion/zsh.ts';
import type { CommandContext, Invocation } from './invocation.ts';

const SCRIPTS: ReadonlyMap<string, string> = new Map([
  ['bash', BASH],
  ['zsh', ZSH],
  ['fish', FISH],
]);

/** `completion [bash|zsh|fish]`: the script with which the shell completes this command, on stdout. Returns the exit code. */
export async function completionCommand({ positionals }: Invocation, { terminal }: CommandContext): Promise<number> {
  const shell = positionals.shell ?? basename(terminal.env.SHELL ?? '');
  const script = SCRIPTS.get(shell);
  if (script === undefined) {
    throw new MigrateError('usage', `there is no completion for the shell '${shell}'`, {
      next: 'tenant-migrate completion bash, zsh or fish',
    });
  }
  terminal.stdout.write(script);
  return 0;
}
