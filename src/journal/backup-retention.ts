import type { BackupFolder } from './backup-folder.ts';

/** An unfinished backup may be one that another process is making right now. */
const UNFINISHED_MS = 7 * 86_400_000;

/**
 * Whether cleanup may remove a backup: its time has passed, or it was begun a week ago and never finished. One whose
 * manifest is damaged is never removed, since nothing says until when it is kept.
 */
export function isExpired({ found, madeAt }: BackupFolder, now: number): boolean {
  if (found.state === 'damaged') return false;
  if (found.state === 'unfinished') return madeAt + UNFINISHED_MS <= now;
  return Date.parse(found.manifest.keepUntil) <= now;
}

/** The removable ones of these, removed unless it is only asked what would go. */
export async function cleanUp(
  folders: readonly BackupFolder[],
  { now, dryRun }: { readonly now: number; readonly dryRun: boolean },
): Promise<readonly BackupFolder[]> {
  const expired = folders.filter((folder) => isExpired(folder, now));
  if (!dryRun) for (const folder of expired) await folder.remove();
  return expired;
}

/** Keeps a backup for so many days from now; never shorter than it is kept already. Resolves to the new time, ISO 8601. */
export async function extend(
  folder: BackupFolder,
  { now, days }: { readonly now: number; readonly days: number },
): Promise<string> {
  const until = Math.max(now + days * 86_400_000, Date.parse(folder.manifest.keepUntil));
  await folder.keepUntil(until);
  return folder.manifest.keepUntil;
}
