import { absenceOf, missingPrograms, type ProgramName } from '../../scripts/services/programs.ts';
import { notRunHere } from './not-run-here.ts';

/** Called first in a test or hook that starts these programs: where one is missing it is skipped, and says which. */
export async function needs(...programs: readonly ProgramName[]): Promise<void> {
  const [first] = await missingPrograms(programs);
  if (first !== undefined) throw notRunHere(first, absenceOf(first));
}
