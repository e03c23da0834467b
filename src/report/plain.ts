import type { ChalkInstance } from 'chalk';
import { movesText } from '../model/move.ts';
import type { Clock, StageName } from '../stages/stage.ts';
import type { RunEvent, RunPhase } from './event.ts';
import { failedRecordLines } from './failed-records.ts';
import { clean, count, duration, STAGE_TITLES, units } from './format.ts';
import { planText } from './plan-text.ts';
import { Rate } from './rate.ts';

const RULE = '='.repeat(60);
/** A line of progress each 5,000 records, or each twentieth of what is more than 100,000. */
const PROGRESS_STEP = 5_000;
const HEARTBEAT_MS = 10_000;

interface PlainOptions {
  readonly write: (line: string) => void;
  readonly paint: ChalkInstance;
  readonly clock: Clock;
  readonly verbose: boolean;
  /** The plan is the command's result and is printed elsewhere. */
  readonly planIsResult: boolean;
}

/** Plain lines in the guide's look: for pipelines, files, and terminals that are too narrow for more. */
export function plainReporter(options: PlainOptions): (event: RunEvent) => void {
  const { write, paint, clock } = options;
  const progress = new Map<StageName, { rate: Rate; printed: number; at: number }>();
  let moves = '';
  let undoing = false;
  const failedLine = failedRecordLines(paint);
  return (event) => {
    switch (event.type) {
      case 'run-started':
        moves = clean(movesText(event.moves));
        write([RULE, paint.bold(`Tenant Data Migration: ${moves}`), RULE].join('\n'));
        if (event.continuing) write(`Continuing run ${event.runId}`);
        break;
      case 'planned':
        if (!options.planIsResult) write(`\n${planText(event.plan, event, paint)}`);
        break;
      case 'stage-started':
        undoing = event.phase === 'undo';
        if (event.phase === 'apply') write(`\nMigrating ${STAGE_TITLES[event.stage].long}: ${moves}`);
        if (event.phase === 'undo') write(`\nTaking back ${STAGE_TITLES[event.stage].long}: ${moves}`);
        break;
      case 'total':
        progress.set(event.stage, { rate: new Rate(clock.now()), printed: 0, at: clock.now() });
        write(`  Found ${units(event.total, event.unit)} to ${undoing ? 'take back' : 'migrate'}`);
        break;
      case 'progress':
        printProgress(event, progress.get(event.stage));
        break;
      case 'stage-finished':
        if (event.phase === 'apply' && event.row.status === 'done') {
          write(`  Final count: ${units(event.row.moved, event.row.unit)} in ${duration(event.row.phases.apply ?? 0)}`);
        }
        break;
      case 'note':
        write(`  ${clean(event.text)}`);
        break;
      case 'record-failed': {
        const line = failedLine(event);
        if (line !== undefined) write(line);
        break;
      }
      case 'retry':
        write(
          paint.yellow(
            `  ${STAGE_TITLES[event.stage].short}: try ${event.attempt} failed (${clean(event.reason)}), again in ${duration(event.delayMs)}`,
          ),
        );
        break;
      case 'run-note':
        write(`  ${clean(event.text)}`);
        break;
      case 'stopping':
        write(paint.yellow(`\n${event.signal}: finishing what is under way, then stopping`));
        break;
      case 'phase':
        if (event.phase === 'verify' || options.verbose) write(`\n${PHASE_TITLES[event.phase]}`);
        break;
      case 'run-finished':
        break;
    }
  };

  function printProgress(
    event: { done: number; total: number },
    state: { rate: Rate; printed: number; at: number } | undefined,
  ): void {
    if (state === undefined) return;
    const now = clock.now();
    state.rate.update(event.done, now);
    const step = Math.max(PROGRESS_STEP, event.total / 20);
    if (event.done - state.printed < step && now - state.at < HEARTBEAT_MS) return;
    state.printed = event.done;
    state.at = now;
    const percent = event.total === 0 ? 0 : Math.min(99, Math.floor((event.done / event.total) * 100));
    const eta = state.rate.etaMs(event.total);
    const pace =
      state.rate.perSecond === undefined ? '' : `, ${count(state.rate.perSecond)}/s, ETA ${duration(eta ?? 0)}`;
    write(`  Progress: ${count(event.done)}/${count(event.total)} (${percent}%${pace})`);
  }
}

const PHASE_TITLES: Readonly<Record<RunPhase, string>> = {
  preflight: 'Checking the stores …',
  plan: 'Planning …',
  apply: 'Moving …',
  verify: 'Verifying …',
  finalize: 'Finalizing …',
  undo: 'Undoing …',
};
