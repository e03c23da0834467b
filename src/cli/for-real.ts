import { repeatCommand } from './repeat-command.ts';

/** The command that does what a dry run, `plan` or `verify` only looked at. */
export function forRealCommand(argv: readonly string[]): string {
  const [verb = '', ...rest] = argv;
  const words = verb === 'plan' || verb === 'verify' ? ['move', ...rest] : argv;
  return repeatCommand(words, ['dry-run', 'detailed-exitcode', 'show-statements', 'out']);
}
