import { installPrograms } from './services/install-programs.ts';
import { absenceOf, missingPrograms, programNames } from './services/programs.ts';

/** Before the tests: installs what they start and this machine lacks. Where it cannot, they are skipped by name. */
const log = (line: string) => console.error(line);
const missing = await missingPrograms(programNames);
const why = await installPrograms(missing, log);
if (why !== undefined) {
  log(`not installed: ${why}`);
  for (const name of await missingPrograms(missing)) log(`  ${absenceOf(name)}`);
}
