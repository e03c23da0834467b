import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { schemaText } from '../src/cli/schema-command.ts';
import { manPage } from './man-page.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Files of the package that are made from the source, by their path in it. */
export async function shippedFiles(): Promise<ReadonlyMap<string, string>> {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  return new Map([
    ['man/tenant-migrate.1', manPage(version)],
    ['schema/settings.schema.json', await schemaText('settings')],
  ]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, content] of await shippedFiles()) {
    mkdirSync(dirname(join(ROOT, name)), { recursive: true });
    writeFileSync(join(ROOT, name), content);
  }
}
