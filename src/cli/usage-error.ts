import { closest } from 'fastest-levenshtein';
import { MigrateError } from '../model/errors.ts';
import { COMMANDS } from './commands.ts';
import { FLAGS } from './flags.ts';

/** The parser's complaint in this program's words, with what was meant. */
export function usageError(message: string, argv: readonly string[]): MigrateError {
  const unknown = /Unknown (?:argument|command)s?: (.*)/.exec(message)?.[1]?.split(', ')[0];
  if (unknown !== undefined) {
    const near = closest(
      unknown.replace(/^-+/, ''),
      FLAGS.map(({ name }) => name),
    );
    const isFlag = argv.some((word) => word.startsWith('-') && word.includes(unknown));
    return new MigrateError('usage', `unknown flag or argument: ${unknown}`, {
      next: isFlag ? `did you mean --${near}?` : 'see tenant-migrate --help',
    });
  }
  if (!/Not enough non-option arguments/.test(message)) {
    return new MigrateError('usage', message, { next: 'see tenant-migrate --help' });
  }
  const missing = COMMANDS.find(({ name }) => name === argv.slice(0, name.split(' ').length).join(' '))?.missing;
  return new MigrateError('usage', missing?.what ?? 'the source and the target tenant id are needed', {
    next: missing?.next ?? 'tenant-migrate <source> <target> --dry-run (see tenant-migrate --help)',
  });
}
