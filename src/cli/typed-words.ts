import { COMMANDS, type Command, FAMILIES } from './commands.ts';
import { FLAGS, type Flag } from './flags.ts';

/** What stands on a command line so far. */
export interface Typed {
  /** The command; undefined where none is named, which is the move or a word that is not whole yet. */
  readonly command: Command | undefined;
  /** The first word of commands of two words, with no second one behind it that is known. */
  readonly family: string | undefined;
  /** The words behind the command that are neither flags nor flags' values. */
  readonly words: readonly string[];
  /** The flag whose value comes next. */
  readonly pending: Flag | undefined;
  /** The last value that each flag was given. */
  readonly given: ReadonlyMap<string, string>;
  /** Nothing behind `--` is a flag. */
  readonly ended: boolean;
}

/** Tells commands, flags and values apart as the parser does, without it. */
export function typedWords(argv: readonly string[]): Typed {
  const given = new Map<string, string>();
  const words: string[] = [];
  let pending: Flag | undefined;
  let ended = false;
  for (const word of argv) {
    if (pending !== undefined) {
      given.set(pending.name, word);
      pending = undefined;
    } else if (ended || !word.startsWith('-') || word === '-') words.push(word);
    else if (word === '--') ended = true;
    else {
      const [name = '', value] = split(word);
      const flag = FLAGS.find((one) => one.name === name);
      if (value !== undefined) given.set(name, value);
      else if (flag !== undefined && flag.kind !== 'switch') pending = flag;
    }
  }
  const [first = '', second = ''] = words;
  const command =
    COMMANDS.find(({ name }) => name === `${first} ${second}`) ?? COMMANDS.find(({ name }) => name === first);
  const behind = command === undefined ? words : words.slice(command.name.split(' ').length);
  const family = command === undefined && FAMILIES[first] !== undefined ? first : undefined;
  return { command, family, words: behind, pending, given, ended };
}

function split(word: string): [string, string?] {
  const plain = word.replace(/^-+/, '');
  const at = plain.indexOf('=');
  return at === -1 ? [plain] : [plain.slice(0, at), plain.slice(at + 1)];
}
