import type { ChalkInstance } from 'chalk';
import type { RunEvent } from './event.ts';
import { clean, STAGE_TITLES } from './format.ts';

const MOST_FAILED_RECORDS = 20;

/** The line for each event that names a failed record: the first 20, then once that there are more; undefined for all else. */
export function failedRecordLines(paint: ChalkInstance): (event: RunEvent) => string | undefined {
  let failed = 0;
  return (event) => {
    if (event.type !== 'record-failed') return undefined;
    failed += 1;
    if (failed > MOST_FAILED_RECORDS + 1) return undefined;
    if (failed > MOST_FAILED_RECORDS) return paint.red('  Further failed records are only counted');
    return paint.red(`  Failed: ${STAGE_TITLES[event.stage].short}: ${clean(event.record)}: ${clean(event.reason)}`);
  };
}
