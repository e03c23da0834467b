import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TO_WRITE_ANEW } from './no-follow.ts';
import { syncFolder } from './sync-folder.ts';

/** Replaces a file (0600) with a JSON document as a whole or not at all. */
export async function replaceFile(path: string, content: unknown): Promise<void> {
  await replaceText(path, `${JSON.stringify(content, undefined, 2)}\n`);
}

/** Replaces a file as a whole or not at all: written aside, synced, renamed, the folder synced. */
export async function replaceText(path: string, text: string, mode = 0o600): Promise<void> {
  const file = await open(`${path}.new`, TO_WRITE_ANEW, mode);
  try {
    await file.writeFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  await syncFolder(dirname(path));
}
