import { MigrateError } from '../model/errors.ts';
import { COMMANDS, FAMILIES } from './commands.ts';
import { FLAGS } from './flags.ts';
import { nearWord } from './near-word.ts';
import { typedWords } from './typed-words.ts';

/** What can be asked for beside the flags. */
const ASKED: readonly string[] = ['help', 'version'];

/** The parser's complaint in this program's words, with what was meant. */
export function usageError(message: string, argv: readonly string[]): MigrateError {
  const unknown = /Unknown (?:argument|command)s?: (.*)/.exec(message)?.[1]?.split(', ')[0];
  if (unknown !== undefined) {
    const isFlag = argv.some((word) => word.startsWith('-') && word.includes(unknown));
    const known = [...FLAGS.flatMap(({ name, hidden }) => (hidden ? [] : [name])), ...ASKED];
    const near = isFlag ? nearWord(unknown.replace(/^-+/, ''), known) : undefined;
    return new MigrateError('usage', `unknown flag or argument: ${unknown}`, {
      next: near === undefined ? 'see tenant-migrate --help' : `did you mean --${near}?`,
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

/**
 * Refuses a first word that is nearly a command, which would be the id of a tenant to move, and a second that is nearly one
 * below the first. Throws MigrateError `usage`.
 */
export function refuseNearCommand(argv: readonly string[]): void {
  const { command, family, words } = typedWords(argv);
  const above = command?.name ?? family;
  const [word = '', next = '<target>'] = family === undefined ? words : words.slice(1);
  const known = above === undefined ? FIRST_WORDS : below(above);
  const near = known.includes(word) ? undefined : nearWord(word, known);
  if (near === undefined) return;
  const [typed, meant] = [word, near].map((last) => (above === undefined ? last : `${above} ${last}`));
  const asTenant = above === undefined ? ` A tenant of that name: tenant-migrate move ${word} ${next}` : '';
  throw new MigrateError('usage', `'${typed}' is no command`, {
    next: `did you mean tenant-migrate ${meant}?${asTenant}`,
  });
}

const FIRST_WORDS = [...new Set(COMMANDS.map(({ name }) => name.split(' ')[0] ?? name)), ...Object.keys(FAMILIES)];

function below(above: string): readonly string[] {
  return COMMANDS.flatMap(({ name }) => (name.startsWith(`${above} `) ? [name.slice(above.length + 1)] : []));
}
