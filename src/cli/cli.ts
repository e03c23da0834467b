import { errorText, MigrateError } from '../model/errors.ts';
import { clean } from '../report/format.ts';
import { annotation } from '../report/workflow-commands.ts';
import { envName } from './flags.ts';
import { guardedTerminal } from './guarded-terminal.ts';
import { asksForHelp, asksForVersion, helpText } from './help-text.ts';
import type { CommandContext, Invocation } from './invocation.ts';
import { ownVersion } from './own-version.ts';
import { paintFor, type Terminal } from './terminal.ts';

/** Runs one command line and returns the exit code. Never throws. */
export async function runCli(given: CommandContext): Promise<number> {
  const ctx = { ...given, terminal: guardedTerminal(given.terminal) };
  const { terminal, argv } = ctx;
  try {
    // What a shell asks while somebody types: answered without the parser, which takes longer than all else.
    if (argv[0] === '__complete') return await (await import('./complete.ts')).completeCommand(ctx);
    if (asksForHelp(argv)) return print(terminal, helpText(argv, terminal.stderr.columns));
    if (asksForVersion(argv)) return print(terminal, `${await ownVersion()}\n`);
    const { parseCommandLine } = await import('./parse-command-line.ts');
    return await run(await parseCommandLine(ctx), ctx);
  } catch (error) {
    return fail(error, ctx);
  }
}

function print({ stdout }: Terminal, text: string): number {
  stdout.write(text);
  return 0;
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
    case 'report':
      return (await import('./report-command.ts')).reportCommand(invocation, ctx);
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
    case 'init':
      return (await import('./init-command.ts')).initCommand(invocation, ctx);
    case 'schema':
      return (await import('./schema-command.ts')).schemaCommand(invocation, ctx);
    case 'completion':
      return (await import('./completion-command.ts')).completionCommand(invocation, ctx);
    default:
      return (await import('./run-command.ts')).runCommand(invocation, ctx);
  }
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
  terminal.stderr.write(`${paint.red(`❌ ${shown(error)}`)}\n`);
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

/** What a settings file has wrong stands in a line each; elsewhere a line's end can only come from a hostile name. */
function shown(error: unknown): string {
  const text = errorText(error);
  const isList = error instanceof MigrateError && error.code === 'settings';
  return isList ? text.split('\n').map(clean).join('\n') : clean(text);
}
