import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorText } from '../model/errors.ts';
import { digest } from '../model/fingerprint.ts';
import { canonicalJson, type Json } from '../model/json.ts';
import type { StageName } from '../stages/stage.ts';
import type { WrittenPart } from './backup-part.ts';
import { ifThere } from './if-there.ts';
import { TO_READ } from './no-follow.ts';
import { replaceFile } from './replace-file.ts';

/** What a backup says about itself. It is written last: a folder without it is no backup yet. */
export interface BackupManifest {
  readonly schema: 'tenant-migrate/backup@1';
  readonly id: string;
  readonly toolVersion: string;
  readonly tenant: string;
  /** ISO 8601. */
  readonly createdAt: string;
  /** Until then no cleanup removes it. ISO 8601. */
  readonly keepUntil: string;
  /** What belonged to the tenant, as it was decided then. */
  readonly profile: Json;
  readonly parts: readonly ManifestPart[];
  /** Stages that were left out. */
  readonly skipped: readonly StageName[];
}

export interface ManifestPart extends WrittenPart {
  readonly stage: StageName;
  /** Where the store was, without credentials. */
  readonly address: string;
}

/** What was found at the place of a manifest. */
export type FoundManifest =
  | { readonly state: 'complete'; readonly manifest: BackupManifest }
  | { readonly state: 'unfinished' }
  | { readonly state: 'damaged'; readonly reason: string };

const NAME = 'manifest.json';

/** Replaces the manifest as a whole or not at all. */
export async function writeManifest(folder: string, manifest: BackupManifest): Promise<void> {
  await replaceFile(join(folder, NAME), { ...manifest, checksum: checksumOf(manifest) });
}

/** Reads and checks the manifest of a folder. */
export async function readManifest(folder: string): Promise<FoundManifest> {
  let text: string | undefined;
  try {
    text = await ifThere(readFile(join(folder, NAME), { encoding: 'utf8', flag: TO_READ }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ELOOP') throw error;
    return { state: 'damaged', reason: 'is a symbolic link' };
  }
  if (text === undefined) return { state: 'unfinished' };
  try {
    const { checksum, ...manifest } = JSON.parse(text) as BackupManifest & { readonly checksum?: string };
    if (checksum !== checksumOf(manifest)) return { state: 'damaged', reason: 'is not as it was written (checksum)' };
    if (manifest.schema !== 'tenant-migrate/backup@1')
      return { state: 'damaged', reason: `is of the unknown schema ${String(manifest.schema)}` };
    return { state: 'complete', manifest };
  } catch (error) {
    return { state: 'damaged', reason: `is not JSON (${errorText(error)})` };
  }
}

export const MANIFEST = NAME;

function checksumOf(manifest: BackupManifest): string {
  return digest(canonicalJson(manifest));
}
