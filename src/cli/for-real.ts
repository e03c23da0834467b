import { repeatCommand } from './repeat-command.ts';

const SWITCHES = ['--dry-run', '--detailed-exitcode'];

/** The command that does what a dry run, `plan` or `verify` only looked at. */
export function forRealCommand(argv: readonly string[]): string {
  const [verb = '', ...rest] = argv;
  const looks = verb === 'plan' || verb === 'verify';
  const words = (looks ? ['move', ...rest] : argv).filter((word, index, all) => {
    const [flag = ''] = word.split('=');
    return !SWITCHES.includes(flag) && flag !== '--out' && all[index - 1] !== '--out';
  });
  return repeatCommand(words);
}
