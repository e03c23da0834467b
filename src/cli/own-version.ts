import { readFile } from 'node:fs/promises';

/** Set where the program is one file, which has no package beside it. */
declare const BUNDLED_VERSION: string | undefined;

/** This program's version, from its package. */
export async function ownVersion(): Promise<string> {
  if (typeof BUNDLED_VERSION === 'string') return BUNDLED_VERSION;
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
