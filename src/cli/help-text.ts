import { switchValue } from '../model/switch-value.ts';
import { COMMANDS, type Command, DESCRIPTION, EXAMPLES, EXIT_CODES, FAMILIES, usageOf } from './commands.ts';
import { type Flag, flagsOf } from './flags.ts';
import { typedWords } from './typed-words.ts';

const WIDEST = 110;
const NARROWEST = 40;
/** A name that is longer stands on a line of its own. */
const WIDEST_NAME = 34;

/** Help is asked for alone, or among other short flags. */
const SHORT_HELP = /^-[a-z]*h[a-z]*$/i;

/** Whether the command line asks for help; behind `--` a word is none of ours. */
export function asksForHelp(argv: readonly string[]): boolean {
  return (
    helpWord(argv) !== undefined || beforeEnd(argv).some((word) => SHORT_HELP.test(word) || isSaid(word, '--help'))
  );
}

/** The words that remain where `help` stands before a command, or alone behind one: elsewhere it is a tenant's id. */
function helpWord(argv: readonly string[]): readonly string[] | undefined {
  const [first, ...rest] = argv;
  const { command, family, words } = typedWords(argv);
  if (first === 'help' && (rest.length === 0 || COMMANDS.some(({ name }) => name.split(' ')[0] === rest[0])))
    return rest;
  const behind = family === undefined ? words : words.slice(1);
  return (command ?? family) !== undefined && behind.length === 1 && behind[0] === 'help' ? argv : undefined;
}

/** Whether it asks for the version. */
export function asksForVersion(argv: readonly string[]): boolean {
  return beforeEnd(argv).some((word) => isSaid(word, '--version'));
}

function isSaid(word: string, flag: string): boolean {
  return word === flag || (word.startsWith(`${flag}=`) && switchValue(word.slice(flag.length + 1)) === true);
}

function beforeEnd(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--');
  return end === -1 ? argv : argv.slice(0, end);
}

/** The help of the command that is typed, or of the program. Its own flags only, at most `columns` wide. */
export function helpText(argv: readonly string[], columns: number = WIDEST): string {
  const width = Math.max(NARROWEST, Math.min(WIDEST, columns));
  const typed = typedWords(helpWord(argv) ?? argv);
  const parts =
    typed.family === undefined
      ? typed.command === undefined
        ? programHelp(width)
        : commandHelp(typed.command, width)
      : [FAMILIES[typed.family] ?? '', table('Commands', commandRows(typed.family), width)];
  return `${[...parts, wrapped('Guide: MIGRATION.md, or man tenant-migrate', width)].join('\n\n')}\n`;
}

function programHelp(width: number): readonly string[] {
  const codes = EXIT_CODES.map(({ code, meaning }) => `${code} ${meaning}`).join(' · ');
  return [
    `${wrapped(DESCRIPTION, width)}\n\nUsage: tenant-migrate <source> <target> [flags]`,
    table('Commands', commandRows(undefined), width),
    ...flagTables(flagsOf('move'), width),
    table(
      'Examples',
      EXAMPLES.map(([line, meaning]) => [`tenant-migrate ${line}`, meaning]),
      width,
    ),
    wrapped(`Exit codes: ${codes}`, width),
    wrapped(SECRETS_TEXT, width),
  ];
}

const SECRETS_TEXT =
  'Secrets come from the environment: REDIS_USERNAME, REDIS_PASSWORD, QDRANT_API_KEY, GRAPH_USERNAME, GRAPH_PASSWORD, API_TOKEN, ENCRYPTION_KEY, HOOK_TOKEN, those of --notify and --pushgateway (or …_FILE), or from the settings file. Every flag is also TENANT_MIGRATE_<FLAG>, and a line of tenant-migrate.yaml.';

function commandHelp(command: Command, width: number): readonly string[] {
  const positionals = command.positionals.map(({ name, help }) => [name, help] as const);
  const below = commandRows(command.name);
  return [
    `tenant-migrate ${usageOf(command)} [flags]`,
    wrapped(command.help, width),
    ...(below.length === 0 ? [] : [table('Commands', below, width)]),
    ...(positionals.length === 0 ? [] : [table('Positionals', positionals, width)]),
    ...flagTables(flagsOf(command.name), width),
  ];
}

type Row = readonly [name: string, text: string];

/** The commands below a first word, or all that have one word and the families. */
function commandRows(family: string | undefined): readonly Row[] {
  const rows = COMMANDS.filter(({ name }) =>
    family === undefined ? !name.includes(' ') : name.startsWith(`${family} `),
  );
  const families = family === undefined ? Object.entries(FAMILIES) : [];
  return [
    ...rows.map((one) => [usageOf(one), one.help] as const),
    ...families.map(([name, help]) => [`${name} …`, help] as const),
  ];
}

function flagTables(flags: readonly Flag[], width: number): readonly string[] {
  const shown = flags.filter(({ hidden }) => hidden !== true);
  const own = [...new Set(shown.map(({ group }) => group))].map((group) =>
    table(group, shown.filter((flag) => flag.group === group).map(flagRow), width),
  );
  return [
    ...own,
    table(
      'Help',
      [
        ['--version', 'the version'],
        ['-h, --help', 'this text'],
      ],
      width,
    ),
  ];
}

function flagRow({ name, kind, choices, help, fallback }: Flag): Row {
  const standard = fallback === undefined ? '' : ` [default: ${fallback}]`;
  const value = kind === 'switch' ? '' : ` <${choices === undefined ? '…' : choices.join('|')}>`;
  return [`--${name}${value}`, `${help}${standard}`];
}

function table(title: string, rows: readonly Row[], width: number): string {
  const names = rows.map(([name]) => name.length).filter((length) => length <= WIDEST_NAME);
  const column = Math.min(Math.max(...names, 0), Math.floor(width / 2)) + 4;
  const lines = rows.flatMap(([name, text]) => {
    const lead = `  ${name}`;
    const own = lead.length + 2 > column;
    const filled = wrapped(text, width - column).split('\n');
    const indented = filled.map((line, at) => (at === 0 && !own ? lead.padEnd(column) : ' '.repeat(column)) + line);
    return own ? [lead, ...indented] : indented;
  });
  return [`${title}:`, ...lines].join('\n');
}

/** Text in lines of at most `width`; a word that is longer stands alone. */
function wrapped(text: string, width: number): string {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}
