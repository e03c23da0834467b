import yargs, { type Argv } from 'yargs';
import { COMMANDS, type Command, FAMILIES, synopsis } from './commands.ts';
import { FLAGS, type Flag } from './flags.ts';
import type { CommandContext, Invocation } from './invocation.ts';
import { withPlainSwitches } from './switch-words.ts';
import { refuseNearCommand, usageError } from './usage-error.ts';

/** What was typed. Help and version are answered before. Throws MigrateError `usage`. */
export async function parseCommandLine({ argv: typed }: CommandContext): Promise<Invocation> {
  refuseNearCommand(typed);
  const argv = withPlainSwitches(typed);
  let invocation: Invocation | undefined;
  const take = (taken: Invocation) => {
    invocation = taken;
  };
  const parser = yargs([...argv])
    .scriptName('tenant-migrate')
    .parserConfiguration({
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'camel-case-expansion': false,
      'boolean-negation': false,
      'greedy-arrays': false,
      'dot-notation': false,
    });
  for (const command of COMMANDS) {
    if (command.name === 'move') register(parser, command, { synopsis: '$0 [source] [target]', take });
    if (!command.name.includes(' ')) register(parser, command, { synopsis: synopsis(command), take });
  }
  for (const [family, help] of Object.entries(FAMILIES)) {
    const verbs = below(family).map(({ name }) => name.slice(family.length + 1));
    const missing = `${family} needs one of ${verbs.join(', ')}`;
    parser.command(family, help, (builder) => registerBelow(builder, family, take).demandCommand(1, missing));
  }
  parser
    .strict()
    .exitProcess(false)
    .help(false)
    .version(false)
    .showHelpOnFail(false)
    // Must throw: otherwise the command's handler runs with invalid arguments.
    .fail((message, error) => {
      // The parser's own complaints come as errors of a name of their own.
      if (error !== undefined && error.name !== 'YError') throw error;
      throw usageError(message ?? error?.message ?? 'the command line cannot be read', argv);
    });
  await parser.parseAsync();
  if (invocation === undefined) throw usageError('the command line cannot be read', argv);
  return invocation;
}

type Take = (invocation: Invocation) => void;

function register(parser: Argv, command: Command, { synopsis, take }: { synopsis: string; take: Take }): void {
  const { name, help, positionals } = command;
  const builder = (inner: Argv) => {
    for (const one of positionals) inner.positional(one.name, { type: 'string' });
    return registerBelow(withFlags(inner), name, take);
  };
  parser.command(synopsis, help, builder, (args) => take(invocationOf(command, args)));
}

function registerBelow(builder: Argv, family: string, take: Take): Argv {
  for (const command of below(family)) {
    register(builder, command, { synopsis: synopsis(command).slice(family.length + 1), take });
  }
  return builder;
}

function below(family: string): readonly Command[] {
  return COMMANDS.filter(({ name }) => name.startsWith(`${family} `));
}

function invocationOf({ name, positionals }: Command, args: Readonly<Record<string, unknown>>): Invocation {
  const given = positionals.flatMap((one) => (args[one.name] === undefined ? [] : [one.name]));
  return {
    command: name,
    positionals: Object.fromEntries(given.map((one) => [one, String(args[one])])),
    flags: Object.fromEntries(FLAGS.map((flag) => [flag.name, args[flag.name]])),
  };
}

/** All flags are known to every command, so that a misplaced one is told apart from a mistyped one. */
function withFlags(builder: Argv): Argv {
  for (const flag of FLAGS) builder.option(flag.name, optionOf(flag));
  return builder;
}

function optionOf({ kind }: Flag) {
  if (kind === 'switch') return { type: 'boolean' as const };
  return { type: kind === 'list' ? ('array' as const) : ('string' as const), string: true, requiresArg: true };
}
