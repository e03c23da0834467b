import type { ChalkInstance } from 'chalk';
import { movesText } from '../model/move.ts';
import type { Clock, StageName } from '../stages/stage.ts';
import type { RunEvent, RunPhase } from './event.ts';
import { failedRecordLines } from './failed-records.ts';
import { clean, compactRate, count, duration, STAGE_TITLES, shortDuration, units } from './format.ts';
import { noteText } from './note-text.ts';
import { PHASE_TITLES, runTitle } from './phase-titles.ts';
import { planText } from './plan-text.ts';
import { heartbeatText, retryText, StageProgress } from './stage-progress.ts';

const RULE = '='.repeat(60);
/** A line of progress each 5,000 records, or each twentieth of what is more than 100,000. */
const PROGRESS_STEP = 5_000;
const HEARTBEAT_MS = 10_000;
/** A heartbeat says it where no record was done for so long. */
const STILL_MS = 10_000;

interface PlainOptions {
  readonly write: (line: string) => void;
  readonly paint: ChalkInstance;
  readonly clock: Clock;
  readonly verbose: boolean;
  /** The plan is the command's result and is printed elsewhere. */
  readonly planIsResult: boolean;
}

/** What is being done now, and since when. */
interface Doing {
  readonly text: string;
  readonly since: number;
  readonly stage?: StageName;
  progress?: StageProgress;
  printed: number;
}

/** Plain lines that must be closed: until then one comes every ten seconds, whatever is being done. */
export interface PlainReporter {
  take(event: RunEvent): void;
  close(): Promise<void>;
}

/** Plain lines in the guide's look: for pipelines, files, and terminals that are too narrow for more. */
export function plainReporter(options: PlainOptions): PlainReporter {
  const { write, paint, clock } = options;
  let doing: Doing | undefined;
  let moves = '';
  const failedLine = failedRecordLines(paint);
  let timer: ReturnType<typeof setInterval> | undefined;
  const beat = () => {
    if (doing !== undefined) write(`  ${heartbeat(doing, clock.now())}`);
  };
  const begin = (text: string, stage?: StageName) => {
    doing = { text, since: clock.now(), printed: 0, ...(stage === undefined ? {} : { stage }) };
  };
  const take = (event: RunEvent): void => {
    switch (event.type) {
      case 'run-started':
        moves = clean(movesText(event.moves));
        write([RULE, paint.bold(runTitle(event.command, moves)), RULE].join('\n'));
        if (event.continuing) write(`Continuing run ${event.runId}`);
        timer ??= setInterval(beat, HEARTBEAT_MS).unref();
        break;
      case 'planned':
        // What comes now is a question, a backup or a hook, which speak for themselves.
        doing = undefined;
        if (!options.planIsResult) write(`\n${planText(event.plan, event, paint)}`);
        break;
      case 'stage-started':
        begin(`${DOING[event.phase]} ${event.stage}`, event.stage);
        if (event.phase === 'apply') write(`\nMigrating ${STAGE_TITLES[event.stage].long}: ${moves}`);
        if (event.phase === 'undo') write(`\nTaking back ${STAGE_TITLES[event.stage].long}: ${moves}`);
        break;
      case 'total':
        if (doing?.stage === event.stage) doing.progress = new StageProgress(clock, event);
        write(
          `  Found ${units(event.total, event.unit)} to ${doing?.text.startsWith('undoing') ? 'take back' : 'migrate'}`,
        );
        break;
      case 'progress':
        if (doing?.stage === event.stage) printProgress(event, doing);
        break;
      case 'stage-finished':
        doing = undefined;
        if (event.phase === 'apply' && event.row.status === 'done') {
          write(`  Final count: ${units(event.row.moved, event.row.unit)} in ${duration(event.row.phases.apply ?? 0)}`);
        }
        break;
      case 'note':
        write(`  ${clean(event.text)}`);
        break;
      case 'record-failed': {
        if (doing?.stage === event.stage) doing.progress?.take(event);
        const line = failedLine(event);
        if (line !== undefined) write(line);
        break;
      }
      case 'retry':
        write(paint.yellow(`  ${STAGE_TITLES[event.stage].short}: ${retryText(event)}`));
        break;
      case 'run-note':
        write(noteText(event, paint));
        break;
      case 'stopping':
        write(paint.yellow(`\n${event.signal}: finishing what is under way, then stopping`));
        break;
      case 'phase':
        begin(DOING[event.phase]);
        if (event.phase === 'verify' || event.phase === 'finalize' || options.verbose)
          write(`\n${PHASE_TITLES[event.phase]}`);
        break;
      case 'run-finished':
        doing = undefined;
        break;
    }
  };

  function printProgress(event: Extract<RunEvent, { type: 'progress' }>, { progress, ...of }: Doing): void {
    if (progress === undefined || doing === undefined) return;
    progress.take(event);
    const { done, total, percent, isEstimate, perSecond, etaMs } = progress.now;
    if (done - of.printed < Math.max(PROGRESS_STEP, total / 20)) return;
    doing.printed = done;
    const rate = perSecond === undefined ? '-' : compactRate(perSecond);
    const eta = etaMs === undefined ? '-' : shortDuration(etaMs);
    write(`  Progress: ${count(done)}/${isEstimate ? '~' : ''}${count(total)} (${percent}%, ${rate}, ETA ${eta})`);
  }

  return {
    take,
    close: async () => {
      clearInterval(timer);
      doing = undefined;
    },
  };
}

/** How far it is; where no record tells, that it is still at work and since when. */
function heartbeat({ text, since, stage, progress }: Doing, now: number): string {
  if (stage === undefined || progress === undefined) return `still ${text} … ${duration(now - since)}`;
  const at = progress.now;
  const still = at.stillMs >= STILL_MS ? `, no record done for ${duration(at.stillMs)}` : '';
  return `${heartbeatText(stage, at)}${still}`;
}

/** What is done in a phase, as `still …` goes on. */
const DOING: Readonly<Record<RunPhase, string>> = {
  preflight: 'checking the stores',
  plan: 'planning',
  apply: 'moving',
  verify: 'verifying',
  finalize: 'finalizing',
  undo: 'undoing',
};
