import { MigrateError } from '../model/errors.ts';
import { switchValue } from '../model/switch-value.ts';
import { FLAGS } from './flags.ts';

/**
 * The command line with each switch as `--name=true` or `--name=false`, so that the parser, which takes any other word for
 * one of them, has nothing to guess. A switch takes its value behind `=` alone: what follows it is a word of its own, and
 * refused where it reads like a value, since it may be meant so. Words behind `--` are refused. Throws MigrateError `usage`.
 */
export function withPlainSwitches(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--');
  const flags = end === -1 ? argv : argv.slice(0, end);
  const behind = argv[flags.length + 1];
  // The parser drops them unsaid: `-- --dry-run` would move.
  if (behind !== undefined) throw wrong(`-- ${behind}`, 'is not read', 'say it without the -- before it');
  return flags.map((word, index) => plainSwitch(word, flags[index + 1]));
}

function plainSwitch(word: string, next: string | undefined): string {
  const [, no, name = '', text] = /^--(no-)?([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
  const isSwitch = (one: string) => FLAGS.some((flag) => flag.name === one && flag.kind === 'switch');
  const negated = no !== undefined && isSwitch(name);
  const own = negated ? name : `${no ?? ''}${name}`;
  if (!isSwitch(own)) return word;
  if (negated && text !== undefined)
    throw wrong(`--no-${own}`, 'takes no value', `say --no-${own} or --${own}=${text}`);
  if (text === undefined) {
    if (next !== undefined && switchValue(next) !== undefined) {
      const advice = `say --${own}=${next}; a tenant id that reads so stands before the flags`;
      throw wrong(`--${own} ${next}`, 'can be read in two ways', advice);
    }
    return `--${own}=${!negated}`;
  }
  const value = switchValue(text);
  if (value === undefined) throw wrong(`--${own}=${text}`, 'is neither yes nor no', `say --${own} or --${own}=no`);
  return `--${own}=${value}`;
}

function wrong(where: string, what: string, next: string): MigrateError {
  return new MigrateError('usage', `${where} ${what}`, { next });
}
