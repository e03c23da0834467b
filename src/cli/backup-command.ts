import { hostname } from 'node:os';
import { pid } from 'node:process';
import { BackupFolder } from '../journal/backup-folder.ts';
import { cleanUp, extend } from '../journal/backup-retention.ts';
import { MigrateError } from '../model/errors.ts';
import { tenantIdProblem } from '../model/move.ts';
import { createBackup } from '../orchestrator/backup.ts';
import type { CommonContext } from '../orchestrator/bound-stage.ts';
import { restoreBackup, type StageLook } from '../orchestrator/restore-backup.ts';
import type { LockPorts } from '../orchestrator/run-locks.ts';
import type { Profile } from '../profiles/profile.ts';
import { clean, count } from '../report/format.ts';
import type { StageName } from '../stages/stage.ts';
import { wireLocks } from '../wire/locks.ts';
import { wireRedisSettings, wireStages } from '../wire.ts';
import { profileIdProblem } from './asked-moves.ts';
import { startTelling } from './backup-telling.ts';
import { backupJson, backupText, notKeptLines, recordsText, restoreText } from './backup-text.ts';
import { chooseBackup } from './choose-backup.ts';
import { readConfigSecrets } from './config-secrets-file.ts';
import type { BackupCommand, CommandContext, Invocation } from './invocation.ts';
import { ownVersion } from './own-version.ts';
import { optionsOf, profileOf } from './run-command.ts';
import { backupCommandLine } from './run-ports.ts';
import { readSettings, type Settings, skippedStages } from './settings.ts';
import { askYes, isInteractive, paintFor } from './terminal.ts';
import { withTunnel } from './with-tunnel.ts';

/** What each of the verbs is given. */
interface Asked {
  readonly settings: Settings;
  readonly invocation: Invocation;
  readonly ctx: CommandContext;
  readonly now: number;
}

/** `backup create|list|verify|restore|extend|cleanup`. Returns the exit code. */
export async function backupCommand(invocation: Invocation, ctx: CommandContext): Promise<number> {
  const command = invocation.command as BackupCommand;
  const settings = await readSettings({ command, flags: invocation.flags, env: ctx.terminal.env });
  return VERBS[command]({ settings, invocation, ctx, now: Date.now() });
}

const VERBS: Readonly<Record<BackupCommand, (asked: Asked) => Promise<number>>> = {
  'backup create': (asked) => reaching(asked, create),
  'backup list': list,
  'backup verify': verify,
  'backup restore': (asked) => reaching(asked, restore),
  'backup extend': extendOne,
  'backup cleanup': cleanup,
};

/** With the stores reached through the tunnel, where one is set. */
function reaching(asked: Asked, verb: (asked: Asked) => Promise<number>): Promise<number> {
  const { settings, ctx } = asked;
  const skipped = skippedStages(settings);
  return withTunnel({ settings, skipped, ctx, tell: tellerOf(asked) }, (reached) =>
    verb({ ...asked, settings: reached }),
  );
}

/** Says something on the terminal, where it is not to be quiet. */
function tellerOf({ settings, ctx }: Asked): (text: string) => void {
  return (text) => void (settings.quiet || ctx.terminal.stderr.write(`${clean(text)}\n`));
}

async function create(asked: Asked): Promise<number> {
  const { settings, invocation, ctx, now } = asked;
  const profile = profileOf(settings);
  const tenant = invocation.positionals.tenant ?? '';
  const problem = tenantIdProblem(tenant) ?? profileIdProblem(tenant, profile);
  if (problem !== undefined) {
    throw new MigrateError('usage', `the tenant id '${tenant}' ${problem}`, { next: 'correct the id' });
  }
  const skipped = skippedStages(settings);
  const telling = await startTelling(settings, ctx, 'read');
  const stages = wireStages({ settings, profile, secrets: await secretsOf(asked), emit: telling.emit }, skipped);
  // No lease: a backup writes nothing to a store.
  const locks = await locksOf(asked, skipped, telling.note).takeLocal([tenant], {
    runId: 'backup',
    command: 'backup create',
  });
  const folder = await BackupFolder.create(settings['state-dir'], now);
  const manifest = await createBackup({
    tenant,
    stages,
    skipped,
    common: commonOf(asked, { profile, emit: telling.emit, id: folder.id }),
    toolVersion: await ownVersion(),
    folder,
    keepDays: settings['keep-days'],
    onProgress: telling.progress,
  }).finally(() => Promise.allSettled([locks.release(), ...stages.map((stage) => stage.close())]));
  if (settings.json) return printJson(asked, { backup: backupJson(folder, now) });
  const lines = [
    ...notKeptLines(manifest).map((line) => `⚠️  ${line}`),
    `✅ Backup ${manifest.id} of ${clean(tenant)}: ${recordsText(manifest)}; read back and checked`,
    `   ${folder.path}, kept until ${manifest.keepUntil}`,
    `   back again: ${backupCommandLine('restore', manifest.id, settings)}`,
  ];
  return print(asked, lines);
}

async function list(asked: Asked): Promise<number> {
  const { settings, ctx, now } = asked;
  const folders = await BackupFolder.all(settings['state-dir']);
  if (settings.json) return printJson(asked, { backups: folders.map((folder) => backupJson(folder, now)) });
  const paint = paintFor(ctx.terminal.stdout, settings.color, ctx.terminal.env);
  if (folders.length === 0) return print(asked, ['there is no backup in this state folder']);
  return print(
    asked,
    folders.map((folder) => backupText(folder, now, paint)),
  );
}

async function verify(asked: Asked): Promise<number> {
  const { settings, invocation, now } = asked;
  const folder = await chooseBackup(settings['state-dir'], invocation.positionals.id ?? '');
  const { found } = folder;
  const problems = found.state === 'damaged' ? [`manifest.json: ${found.reason}`] : await folder.problems();
  if (settings.json) printJson(asked, { backup: backupJson(folder, now), problems });
  else if (problems.length === 0)
    print(asked, [`✅ ${folder.id} is as it was written: ${recordsText(folder.manifest)}`]);
  else print(asked, [...problems.map((problem) => `❌ ${problem}`), `${folder.id} is damaged: use another backup`]);
  return problems.length === 0 ? 0 : 2;
}

async function restore(asked: Asked): Promise<number> {
  const { settings, invocation, ctx, now } = asked;
  const backup = await chooseBackup(settings['state-dir'], invocation.positionals.id ?? '');
  const profile = backup.manifest.profile as unknown as Profile;
  const telling = await startTelling(settings, ctx, 'restored');
  const skipped = skippedStages(settings);
  const stages = wireStages({ settings, profile, secrets: await secretsOf(asked), emit: telling.emit }, skipped);
  const asks = !settings.yes && isInteractive(ctx.terminal);
  const report = await restoreBackup({
    backup,
    stages,
    dryRun: settings['dry-run'],
    locks: locksOf(asked, skipped, telling.note),
    common: commonOf(asked, { profile, emit: telling.emit, id: backup.id }),
    confirm: asks ? (looks) => askYes(ctx, questionOf(backup, looks)) : undefined,
    onProgress: telling.progress,
  }).finally(() => Promise.allSettled(stages.map((stage) => stage.close())));
  if (settings.json) printJson(asked, { backup: backupJson(backup, now), restore: report });
  else print(asked, [restoreText(report, paintFor(ctx.terminal.stdout, settings.color, ctx.terminal.env))]);
  return report.exitCode;
}

function questionOf({ manifest }: BackupFolder, looks: readonly StageLook[]): string {
  const absent = looks.map(({ stage, absent: wanted }) => `${stage} ${count(wanted)}`).join(', ');
  return `Write back to ${manifest.tenant} what is absent (${absent})?`;
}

async function extendOne(asked: Asked): Promise<number> {
  const { settings, invocation, now } = asked;
  const folder = await chooseBackup(settings['state-dir'], invocation.positionals.id ?? '');
  const until = await extend(folder, { now, days: settings.days });
  if (settings.json) return printJson(asked, { backup: backupJson(folder, now) });
  return print(asked, [`${folder.id} is kept until ${until}`]);
}

async function cleanup(asked: Asked): Promise<number> {
  const { settings, now } = asked;
  const dryRun = settings['dry-run'];
  const folders = await BackupFolder.all(settings['state-dir']);
  const gone = await cleanUp(folders, { now, dryRun });
  const ids = gone.map(({ id }) => id);
  if (settings.json) return printJson(asked, { dryRun, removed: ids, kept: folders.length - ids.length });
  const did = dryRun ? 'would be removed' : 'removed';
  return print(asked, [
    ...ids.map((id) => `${id} ${did}`),
    `${ids.length} ${did}, ${folders.length - ids.length} kept`,
  ]);
}

function commonOf(
  { settings, ctx }: Asked,
  { profile, emit, id }: { readonly profile: Profile; readonly emit: CommonContext['emit']; readonly id: string },
): CommonContext {
  const clock = { now: () => Date.now() };
  return { profile, options: optionsOf(settings), runId: id, signal: ctx.signal, clock, emit };
}

function locksOf({ settings, ctx }: Asked, skipped: readonly StageName[], note: (text: string) => void): LockPorts {
  const redis = wireRedisSettings(settings, skipped);
  return wireLocks({ settings, redis, own: { pid, host: hostname() }, signal: ctx.signal, note });
}

function secretsOf({ settings, invocation }: Asked) {
  return readConfigSecrets(settings['config-secrets'], invocation.flags['config-secrets'] !== undefined);
}

function print({ ctx }: Asked, lines: readonly string[]): number {
  ctx.terminal.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}

function printJson({ ctx, invocation }: Asked, document: object): number {
  const whole = { schema: 'tenant-migrate/backups@1', command: invocation.command, ...document };
  ctx.terminal.stdout.write(`${JSON.stringify(whole, undefined, 2)}\n`);
  return 0;
}
