import type { ChalkInstance } from 'chalk';
import type { BackupFolder } from '../journal/backup-folder.ts';
import type { BackupManifest } from '../journal/backup-manifest.ts';
import { isExpired } from '../journal/backup-retention.ts';
import { byteSize } from '../model/byte-size.ts';
import { ownRecords } from '../orchestrator/backup.ts';
import type { RestoreReport, StageLook } from '../orchestrator/restore-backup.ts';
import { clean, count, STAGE_TITLES } from '../report/format.ts';

/** One backup as JSON documents tell it: all but the profile, which is long. */
export function backupJson(folder: BackupFolder, now: number): object {
  const { id, path, found } = folder;
  const common = { id, path, state: found.state, expired: isExpired(folder, now) };
  if (found.state === 'damaged') return { ...common, reason: found.reason };
  if (found.state === 'unfinished') return common;
  const { tenant, toolVersion, createdAt, keepUntil, parts, skipped } = found.manifest;
  return { ...common, tenant, toolVersion, createdAt, keepUntil, parts, skipped };
}

/** One backup on one line, and what it does not hold below. */
export function backupText(folder: BackupFolder, now: number, paint: ChalkInstance): string {
  const { id, found } = folder;
  if (found.state === 'damaged') return `${id}  ${paint.red(`damaged: manifest.json ${found.reason}`)}`;
  const expired = isExpired(folder, now);
  if (found.state === 'unfinished') {
    return `${id}  ${paint.yellow(expired ? 'unfinished, removed by cleanup' : 'unfinished')}`;
  }
  const { tenant, keepUntil, parts } = found.manifest;
  const kept = expired ? paint.yellow(`expired ${keepUntil}`) : `kept until ${keepUntil}`;
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  return `${id}  ${clean(tenant)}  ${recordsText(found.manifest)}  ${byteSize(bytes)}  ${kept}`;
}

/** `config 1, redis 120, …`: the tenant's own records. */
export function recordsText({ parts }: BackupManifest): string {
  return parts.map(({ stage, records }) => `${stage} ${count(ownRecords(records))}`).join(', ');
}

/** What the backup could not hold, a line each. */
export function notKeptLines({ parts }: BackupManifest): readonly string[] {
  return parts.flatMap(({ stage, notKept }) => notKept.map((text) => `not kept (${stage}): ${clean(text)}`));
}

/** A restore's numbers and what it says, for people. */
export function restoreText({ outcome, message, stages, next }: RestoreReport, paint: ChalkInstance): string {
  const good = outcome === 'restored' || outcome === 'nothing-to-do' || outcome === 'planned';
  const lines = stages.flatMap((look) => [
    `${STAGE_TITLES[look.stage].short}: ${lookText(look, outcome === 'planned')}`,
    ...look.samples.map((name) => `   differs: ${clean(name)}`),
    ...look.notes.map((text) => `   ${clean(text)}`),
  ]);
  const head = good ? paint.green(`✅ ${clean(message)}`) : paint.red(`❌ ${clean(message)}`);
  return [...lines, head, ...(next === null ? [] : [`   next: ${paint.cyan(clean(next))}`])].join('\n');
}

function lookText(look: StageLook, planned: boolean): string {
  const parts: string[] = [planned ? `${count(look.absent)} to restore` : `${count(look.restored)} restored`];
  if (look.schemaAbsent > 0) parts.push(`indexes and constraints: ${look.schemaAbsent}`);
  if (look.equal > 0) parts.push(`${count(look.equal)} there already`);
  if (look.expired > 0) parts.push(`${count(look.expired)} expired since`);
  if (look.different > 0) parts.push(`${count(look.different)} with other content`);
  if (look.notRestorable > 0) parts.push(`${count(look.notRestorable)} cannot be restored here`);
  return parts.join(', ');
}
