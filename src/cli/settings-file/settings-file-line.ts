import { clean } from '../../report/format.ts';
import type { SettingsFile } from './settings-file.ts';

/** Says which file settings come from: nobody shall move a tenant by a file that he did not see lying there. */
export function settingsFileLine({ name, environment }: Pick<SettingsFile, 'name' | 'environment'>): string {
  return clean(`settings from ${name}${environment === undefined ? '' : `, environment ${environment}`}`);
}
