import { MigrateError } from '../model/errors.ts';
import type { CommandContext, Invocation } from './invocation.ts';

/** `schema [settings|plan|report]`: the JSON Schema of that document on stdout. Reads no settings: it must answer where they are wrong. */
export async function schemaCommand({ positionals }: Invocation, { terminal }: CommandContext): Promise<number> {
  terminal.stdout.write(await schemaText(positionals.document ?? 'settings'));
  return 0;
}

/** As it is printed; that of the settings is shipped in `schema/settings.schema.json`. */
export async function schemaText(document: string): Promise<string> {
  return `${JSON.stringify(await schemaOf(document), undefined, 2)}\n`;
}

async function schemaOf(document: string): Promise<Readonly<Record<string, unknown>>> {
  if (document === 'settings') return (await import('./settings-schema.ts')).settingsSchema();
  if (document === 'plan' || document === 'report') {
    return (await import('./document-schemas.ts')).documentSchema(document);
  }
  throw new MigrateError('usage', 'there is no such schema', {
    next: 'tenant-migrate schema settings, plan or report',
  });
}
