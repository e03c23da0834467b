import type { ChalkInstance } from 'chalk';
import { type Move, movesText } from '../model/move.ts';
import { clean } from './format.ts';

/** A list of several waves as `status` and `runs` print it, and as their `--json` documents hold it. */
export interface ListedMap {
  readonly id: string;
  /** As they were asked for. */
  readonly moves: readonly Move[];
  readonly temporary: readonly string[];
  readonly state: string;
  readonly unfinished: boolean;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly path: string;
  readonly waves: readonly {
    readonly wave: number;
    readonly moves: readonly Move[];
    readonly state: string;
    readonly run: string | undefined;
  }[];
  /** Commands that can be typed now, the likelier first. */
  readonly next: readonly string[];
}

/** One line, and for a list that wants a command one more. */
export function mapLine(map: ListedMap, paint: ChalkInstance): string {
  const line = `${map.id}  ${map.startedAt}  ${clean(movesText(map.moves))}  ${stateText(map, paint)}`;
  return [line, ...nextLines(map, paint)].join('\n');
}

/** Everything about one list. */
export function mapText(map: ListedMap, paint: ChalkInstance): string {
  return [
    `List ${map.id}: ${clean(movesText(map.moves))}  ${stateText(map, paint)}`,
    `  started ${map.startedAt}, ${map.moves.length} moves in ${map.waves.length} waves`,
    ...map.waves.map(
      ({ wave, moves, state, run }) =>
        `  wave ${wave}: ${state}${run === undefined ? '' : ` (run ${run})`}  ${clean(movesText(moves))}`,
    ),
    ...nextLines(map, paint),
  ].join('\n');
}

function stateText({ state, waves, unfinished }: ListedMap, paint: ChalkInstance): string {
  const done = waves.filter((wave) => wave.state === 'done').length;
  return unfinished ? paint.yellow(`${done} of ${waves.length} waves done, unfinished`) : state;
}

function nextLines({ next }: ListedMap, paint: ChalkInstance): readonly string[] {
  const [first, ...others] = next;
  if (first === undefined) return [];
  return [`   next: ${paint.cyan(clean(first))}`, ...others.map((command) => `     or: ${paint.cyan(clean(command))}`)];
}
