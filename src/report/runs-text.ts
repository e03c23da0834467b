import type { ChalkInstance } from 'chalk';
import { movesText } from '../model/move.ts';
import { type ListedMap, mapLine } from './map-text.ts';
import { type ListedRun, runLine } from './status-text.ts';

/**
 * All lists and runs of a state folder, newest first, a line each below a header. Tries of one move that were refused one
 * after the other wrote nothing: they are one line, the newest's, with their number.
 */
export function runsText(maps: readonly ListedMap[], runs: readonly ListedRun[], paint: ChalkInstance): string {
  const [widest] = [...maps, ...runs].map(({ id, startedAt }) => [id.length, startedAt.length] as const);
  const [id = 0, started = 0] = widest ?? [];
  const header = `${'run'.padEnd(id)}  ${'started'.padEnd(started)}  move  state`;
  return [
    paint.dim(header),
    ...maps.map((map) => mapLine(map, paint)),
    ...foldRefused(runs).map(({ run, tries }) =>
      runLine(tries === 1 ? run : { ...run, state: `${run.state} (${tries} tries)` }, paint),
    ),
  ].join('\n');
}

function foldRefused(runs: readonly ListedRun[]): readonly { readonly run: ListedRun; readonly tries: number }[] {
  const lines: { run: ListedRun; tries: number }[] = [];
  for (const run of runs) {
    const last = lines.at(-1);
    if (last !== undefined && isSameRefusal(last.run, run)) last.tries += 1;
    else lines.push({ run, tries: 1 });
  }
  return lines;
}

function isSameRefusal(one: ListedRun, other: ListedRun): boolean {
  const refused = one.state === 'refused' && other.state === 'refused';
  return refused && !one.unfinished && !other.unfinished && movesText(one.moves) === movesText(other.moves);
}
