import type { ChalkInstance } from 'chalk';
import type { RunEvent } from './event.ts';
import { clean } from './format.ts';

/** The line of a note. */
export function noteText({ text, severity }: Extract<RunEvent, { type: 'run-note' }>, paint: ChalkInstance): string {
  const line = `  ${clean(text)}`;
  return severity === 'error' ? paint.red(line) : line;
}
