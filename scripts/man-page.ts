import { COMMANDS, EXAMPLES, EXIT_CODES, usageOf } from '../src/cli/commands.ts';
import { envName, FLAGS, type Flag, SECRETS } from '../src/cli/flags.ts';

/** When its wording was last looked at as a whole: a page must have a date. */
const DATE = '2026-11-21';

/** The manual page, in man(7), from what help is made from. */
export function manPage(version: string): string {
  return `${[
    '.\\" Made by scripts/shipped-files.ts from the lists in src/cli: change those.',
    `.TH TENANT-MIGRATE 1 ${DATE} "tenant-migrate ${version}" "User Commands"`,
    '.SH NAME',
    'tenant-migrate - move a tenant from one id to another, in all of its stores',
    '.SH SYNOPSIS',
    ...synopses(),
    '.SH DESCRIPTION',
    ...paragraph(
      'Moves everything that belongs to a tenant, so that it belongs to another id: its config behind an HTTP API, Redis keys, Qdrant points and graph nodes. It plans, applies, verifies, and only then removes what is left at the old id. A run that was stopped anywhere is gone on with by resume, or taken back by rollback.',
    ),
    '.PP',
    ...paragraph('On a terminal it shows the plan and asks; elsewhere it runs. A dry run writes nothing.'),
    '.SH COMMANDS',
    ...COMMANDS.flatMap((command) => item(usageOf(command), command.help)),
    '.SH OPTIONS',
    ...paragraph(
      'Every option is also a variable, and a line of the settings file: --redis-host is TENANT_MIGRATE_REDIS_HOST and redis-host. Not every command takes every option.',
    ),
    ...options(),
    '.SH SETTINGS FILE',
    ...paragraph(
      `YAML: a line for each option, without its dashes. What stands below environments and a name counts where --env names it. \${NAME} and \${NAME:-default} are filled in from the environment. What counts first: the option, the record of a run that is gone on with, the variable, the file, the default. tenant-migrate init writes a file, tenant-migrate schema prints its JSON Schema.`,
    ),
    '.SH ENVIRONMENT',
    ...SECRETS.flatMap((name) => item(name, `a secret; ${name}_FILE names a file that holds it`)),
    ...item(
      'TENANT_MIGRATE_…',
      'an option, in capitals and with _ for -; also before the name of a secret, which then counts first',
    ),
    ...item('NO_COLOR, FORCE_COLOR, CI', 'no colours; colours; nobody is asked'),
    '.SH FILES',
    ...item('tenant-migrate.yaml, tenant-migrate.yml', 'settings, in the current folder'),
    ...item('.tenant-migrate/runs/', 'what each run did, and what takes it back (--state-dir)'),
    '.SH EXIT STATUS',
    ...EXIT_CODES.flatMap(({ code, meaning }) => item(code, meaning)),
    '.SH EXAMPLES',
    ...EXAMPLES.flatMap(([line, meaning]) => item(`tenant-migrate ${line}`, meaning)),
    '.SH SEE ALSO',
    ...paragraph('MIGRATION.md in the package is the whole guide.'),
  ].join('\n')}\n`;
}

function synopses(): readonly string[] {
  const lines = ['<source> <target> [flags]', ...COMMANDS.map((command) => `${usageOf(command)} [flags]`)];
  return lines.flatMap((line, at) => [...(at === 0 ? [] : ['.br']), `.B tenant\\-migrate\n${text(line)}`]);
}

function options(): readonly string[] {
  const shown = FLAGS.filter(({ hidden }) => hidden !== true);
  return [...new Set(shown.map(({ group }) => group))].flatMap((group) => [
    `.SS ${plain(group)}`,
    ...shown.filter((flag) => flag.group === group).flatMap(optionItem),
  ]);
}

function optionItem(flag: Flag): readonly string[] {
  const { name, kind, choices, help, fallback, commands } = flag;
  const value = kind === 'switch' ? '' : ` ${choices?.join('|') ?? '…'}`;
  const standard = fallback === undefined ? '' : ` Default: ${fallback}.`;
  const takenBy = commands === undefined ? '' : ` Taken by: ${commands.join(', ')}.`;
  return [...item(`--${name}${value}`, `${help}.${standard}${takenBy}`), ...paragraph(`Variable: ${envName(name)}.`)];
}

function item(tag: string, meaning: string): readonly string[] {
  return ['.TP', `.B ${plain(tag)}`, text(meaning)];
}

function paragraph(words: string): readonly string[] {
  return [text(words)];
}

/** Lines of text: one that begins with a dot would be a request. */
function text(words: string): string {
  const lines: string[] = [];
  for (const word of plain(words).split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= WIDEST) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.map((line) => line.replace(/^(?=\.)/, '\\&')).join('\n');
}

const WIDEST = 78;

/** Characters that roff reads otherwise, and those that not every terminal has by another name. */
function plain(words: string): string {
  return [...words.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll("'", '\\(aq').replaceAll('"', '\\(dq')]
    .map((character) => {
      const code = character.codePointAt(0) ?? 0;
      return code < 0x7f ? character : `\\[u${code.toString(16).toUpperCase().padStart(4, '0')}]`;
    })
    .join('');
}
