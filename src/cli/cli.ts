import { closest } from 'fastest-levenshtein';
import yargs, { type Argv } from 'yargs';
import { errorText, MigrateError } from '../model/errors.ts';
import { clean } from '../report/format.ts';
import { annotation } from '../report/workflow-commands.ts';
import { envName, FLAGS, type Flag, flagsOf } from './flags.ts';
import { guardedTerminal } from './guarded-terminal.ts';
import type { CommandContext, Invocation } from './invocation.ts';
import { ownVersion } from './own-version.ts';
import { paintFor } from './terminal.ts';

const EXIT_CODES = `Exit codes: 0 done and verified, or nothing to do · 1 unexpected error · 2 differences found ·
3 failed, all taken back · 4 failed, partial: resume or rollback · 5 refused before any write · 64 usage ·
78 state folder or secrets file wrong · 129/130/143 stopped by SIGHUP/SIGINT/SIGTERM: resume or rollback
Secrets come from the environment: REDIS_USERNAME, REDIS_PASSWORD, QDRANT_API_KEY, GRAPH_USERNAME,
GRAPH_PASSWORD, API_TOKEN, ENCRYPTION_KEY, those of --notify and --pushgateway (or …_FILE). Every flag is also TENANT_MIGRATE_<FLAG>. Guide: MIGRATION.md`;

/** Runs one command line and returns the exit code. Never throws. */
export async function runCli(given: CommandContext): Promise<number> {
  const ctx = { ...given, terminal: guardedTerminal(given.terminal) };
  try {
    const invocation = await parse(ctx);
    if (invocation === undefined) return 0;
    return await run(invocation, ctx);
  } catch (error) {
    return fail(error, ctx);
  }
}

/** Loaded only now: help and mistakes in the flags answer without the drivers. */
async function run(invocation: Invocation, ctx: CommandContext): Promise<number> {
  switch (invocation.command) {
    case 'rollback':
      return (await import('./rollback-command.ts')).rollbackCommand(invocation, ctx);
    case 'status':
    case 'runs':
      return (await import('./status-command.ts')).statusCommand(invocation, ctx);
    case 'control':
      return (await import('./control-command.ts')).controlCommand(invocation, ctx);
    case 'runs cleanup':
      return (await import('./cleanup-command.ts')).cleanupCommand(invocation, ctx);
    case 'doctor':
      return (await import('./doctor-command.ts')).doctorCommand(invocation, ctx);
    case 'backup create':
    case 'backup restore':
    case 'backup list':
    case 'backup verify':
    case 'backup extend':
    case 'backup cleanup':
      return (await import('./backup-command.ts')).backupCommand(invocation, ctx);
    default:
      return (await import('./run-command.ts')).runCommand(invocation, ctx);
  }
}

/** The words by which help is asked for: alone, with a value, or among other short flags. */
const HELP = /^(?:--?help|help$|h$|-[^-]*h)/;

async function parse(ctx: CommandContext): Promise<Invocation | undefined> {
  // The parser writes the help of every command that it runs. Without a flag to describe that costs next to nothing.
  const describing = ctx.argv.some((word) => HELP.test(word));
  const withFlags = (builder: Argv, command: string) => registerFlags(builder, command, describing);
  let invocation: Invocation | undefined;
  const take = (command: Invocation['command'], names: readonly string[]) => (args: Record<string, unknown>) => {
    const given = names.filter((name) => args[name] !== undefined);
    const positionals = Object.fromEntries(given.map((name) => [name, String(args[name])]));
    invocation = { command, positionals, flags: Object.fromEntries(FLAGS.map(({ name }) => [name, args[name]])) };
  };
  const ends = ['source', 'target'];
  const parser = yargs([...ctx.argv])
    .scriptName('tenant-migrate')
    .usage(
      'Moves a tenant from one id to another across config API, Redis, Qdrant and Memgraph/Neo4j.\n\nUsage: $0 <source> <target> [flags]',
    )
    .parserConfiguration({
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'camel-case-expansion': false,
      'boolean-negation': false,
      'greedy-arrays': false,
    })
    .command(
      '$0 [source] [target]',
      false,
      (builder) => withFlags(movePositionals(builder), 'move'),
      take('move', ends),
    )
    .command(
      'move [source] [target]',
      'move a tenant (also without the word move)',
      (builder) => withFlags(movePositionals(builder), 'move'),
      take('move', ends),
    )
    .command(
      'plan [source] [target]',
      'show what would be done; writes nothing',
      (builder) => withFlags(movePositionals(builder), 'plan'),
      take('plan', ends),
    )
    .command(
      'apply <plan>',
      'execute a stored plan',
      (builder) =>
        withFlags(builder.positional('plan', { type: 'string', describe: 'file made by plan --out' }), 'apply'),
      take('apply', ['plan']),
    )
    .command(
      'verify [source] [target]',
      'check that a move is complete',
      (builder) => withFlags(movePositionals(builder), 'verify'),
      take('verify', ends),
    )
    .command(
      'resume [run]',
      'go on with a run; without a run the newest unfinished one',
      (builder) => withFlags(runPositional(builder), 'resume'),
      take('resume', ['run']),
    )
    .command(
      'rollback [run]',
      'take back what a run did; without a run the newest unfinished one',
      (builder) => withFlags(runPositional(builder), 'rollback'),
      take('rollback', ['run']),
    )
    .command(
      'status [run]',
      'what became of a run; without a run the newest one',
      (builder) => withFlags(runPositional(builder), 'status'),
      take('status', ['run']),
    )
    .command(
      'control <run> [action]',
      'speak to a run that is under way; without a run to the newest one: control pause',
      (builder) => withFlags(controlPositionals(builder), 'control'),
      take('control', ['run', 'action']),
    )
    .command(
      'runs',
      'all runs in the state folder',
      (builder) =>
        // What is registered as hidden here could not be shown there.
        (ctx.argv.includes('cleanup') ? builder : withFlags(builder, 'runs')).command(
          'cleanup',
          'remove finished runs that are older than --days',
          (inner) => withFlags(inner, 'runs cleanup'),
          take('runs cleanup', []),
        ),
      take('runs', []),
    )
    .command(
      'doctor [source] [target]',
      'check each store and this machine, and say what to do; writes nothing',
      (builder) => withFlags(movePositionals(builder), 'doctor'),
      take('doctor', ends),
    )
    .command('backup', 'keep a tenant’s data in a folder, and bring it back', (builder) =>
      backupCommands(builder, take, withFlags),
    )
    .example([
      ['$0 siraya tenant_76920508 --dry-run', 'what would be done'],
      ['$0 siraya tenant_76920508', 'move, then verify'],
      ['$0 siraya tenant_76920508 --skip-config --skip-redis', 'only what is left'],
      ['$0 move --map tenants.csv', 'many tenants: a file with the header source,target'],
      ['$0 plan siraya tenant_76920508 --out plan.json', 'look first, then: tenant-migrate apply plan.json'],
    ])
    .strict()
    .exitProcess(false)
    .version(await ownVersion())
    .alias('h', 'help')
    .epilogue(EXIT_CODES)
    .wrap(Math.min(110, ctx.terminal.stderr.columns ?? 110))
    .showHelpOnFail(false)
    // Must throw: otherwise the command's handler runs with invalid arguments.
    .fail((message, error) => {
      // The parser's own complaints come as errors of a name of their own.
      if (error !== undefined && error.name !== 'YError') throw error;
      throw usageError(message ?? error?.message ?? 'the command line cannot be read', ctx.argv);
    });
  let help = '';
  await parser.parseAsync([...ctx.argv], {}, (_error, _args, output) => {
    help = output;
  });
  if (help !== '') {
    ctx.terminal.stdout.write(`${help}\n`);
    return undefined;
  }
  return invocation;
}

type Take = (command: Invocation['command'], names: readonly string[]) => (args: Record<string, unknown>) => void;

type WithFlags = (builder: Argv, command: string) => Argv;

function backupCommands(builder: Argv, take: Take, withFlags: WithFlags): Argv {
  const id = (inner: Argv) => inner.positional('id', { type: 'string', describe: 'id of the backup, or its start' });
  const tenant = (inner: Argv) => inner.positional('tenant', { type: 'string', describe: 'tenant id' });
  const same = (inner: Argv) => inner;
  const commands = [
    ['create', ' <tenant>', 'back up a tenant from all stores', tenant, ['tenant']],
    ['list', '', 'all backups in the state folder', same, []],
    ['verify', ' <id>', 'check that a backup is as it was written', id, ['id']],
    ['restore', ' <id>', 'write back what the stores lack; overwrites nothing', id, ['id']],
    ['extend', ' <id>', 'keep a backup for --days from now', id, ['id']],
    ['cleanup', '', 'remove backups whose time has passed', same, []],
  ] as const;
  for (const [verb, rest, help, positional, names] of commands) {
    const command = `backup ${verb}` as const;
    builder.command(`${verb}${rest}`, help, (inner) => withFlags(positional(inner), command), take(command, names));
  }
  return builder.demandCommand(1, 'backup needs one of create, list, verify, restore, extend, cleanup');
}

function movePositionals(builder: Argv): Argv {
  return builder
    .positional('source', { type: 'string', describe: 'tenant id now' })
    .positional('target', { type: 'string', describe: 'tenant id afterwards' });
}

function runPositional(builder: Argv): Argv {
  return builder.positional('run', { type: 'string', describe: 'id of the run, as runs lists it' });
}

function controlPositionals(builder: Argv): Argv {
  return runPositional(builder).positional('action', {
    type: 'string',
    describe: 'status, pause, resume, rate=<as --rate has it>, abort',
  });
}

/** All flags are known to every command, so that a misplaced one is told apart from a mistyped one; help shows its own. */
function registerFlags(builder: Argv, command: string, describing: boolean): Argv {
  const own = new Set(describing ? flagsOf(command) : []);
  for (const flag of FLAGS) builder.option(flag.name, optionOf(flag, !own.has(flag) || flag.hidden === true));
  return builder;
}

function optionOf(flag: Flag, hidden: boolean) {
  return {
    type:
      flag.kind === 'switch' ? ('boolean' as const) : flag.kind === 'list' ? ('array' as const) : ('string' as const),
    string: flag.kind !== 'switch',
    describe: [flag.help, ...(flag.choices === undefined ? [] : [`(${flag.choices.join('|')})`])].join(' '),
    group: `${flag.group}:`,
    hidden,
    ...(flag.kind === 'switch' ? {} : { requiresArg: true }),
    ...(flag.fallback === undefined ? {} : { defaultDescription: flag.fallback }),
  };
}

/** What commands other than the move cannot do without. */
const NEEDED: Readonly<Record<string, { readonly what: string; readonly next: string } | undefined>> = {
  apply: {
    what: 'the file of a plan is needed',
    next: 'tenant-migrate plan <source> <target> --out plan.json makes one',
  },
  control: {
    what: 'what to tell the run is needed: status, pause, resume, rate=… or abort',
    next: 'tenant-migrate control status',
  },
  'backup create': { what: 'the tenant’s id is needed', next: 'tenant-migrate backup create <tenant>' },
  'backup verify': { what: 'the id of a backup is needed', next: 'tenant-migrate backup list shows them' },
  'backup restore': { what: 'the id of a backup is needed', next: 'tenant-migrate backup list shows them' },
  'backup extend': { what: 'the id of a backup is needed', next: 'tenant-migrate backup list shows them' },
};

function usageError(message: string, argv: readonly string[]): MigrateError {
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
  const needed = NEEDED[argv[0] === 'backup' ? argv.slice(0, 2).join(' ') : (argv[0] ?? '')];
  if (/Not enough non-option arguments/.test(message) && needed !== undefined) {
    return new MigrateError('usage', needed.what, { next: needed.next });
  }
  if (/Not enough non-option arguments/.test(message)) {
    return new MigrateError('usage', 'the source and the target tenant id are needed', {
      next: 'tenant-migrate <source> <target> --dry-run (see tenant-migrate --help)',
    });
  }
  return new MigrateError('usage', message, { next: 'see tenant-migrate --help' });
}

async function fail(error: unknown, ctx: CommandContext): Promise<number> {
  const { terminal, argv } = ctx;
  const code = failureCode(error);
  if (wantsJsonLog(argv, terminal.env)) {
    const { stderrLog } = await import('./stderr-log.ts');
    (await stderrLog(ctx, {})).error(error, code);
    return code;
  }
  const paint = paintFor(terminal.stderr, 'auto', terminal.env);
  terminal.stderr.write(`${paint.red(`❌ ${clean(errorText(error))}`)}\n`);
  if (error instanceof MigrateError && error.next !== undefined)
    terminal.stderr.write(`   ${paint.cyan(clean(error.next))}\n`);
  if (argv.includes('--verbose') && error instanceof Error && error.stack !== undefined)
    terminal.stderr.write(`${error.stack}\n`);
  terminal.annotate?.(annotation('error', `tenant-migrate (exit ${code})`, errorText(error)));
  return code;
}

/** Read without the parser, which may be what failed. */
function wantsJsonLog(argv: readonly string[], env: NodeJS.ProcessEnv): boolean {
  const given = argv.flatMap((word, index) =>
    word === '--log-format' ? [argv[index + 1]] : word.startsWith('--log-format=') ? [word.slice(13)] : [],
  );
  return (given.at(-1) ?? env[envName('log-format')]) === 'json';
}

function failureCode(error: unknown): number {
  if (!(error instanceof MigrateError)) return 1;
  if (error.code === 'usage') return 64;
  if (error.code === 'settings') return 78;
  if (error.code === 'stopped') return /SIGHUP/.test(error.message) ? 129 : /SIGTERM/.test(error.message) ? 143 : 130;
  return error.code === 'internal' ? 1 : 5;
}
