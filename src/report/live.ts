import type { ChalkInstance } from 'chalk';
import { movesText } from '../model/move.ts';
import type { Clock, StageName } from '../stages/stage.ts';
import type { RunEvent } from './event.ts';
import { failedRecordLines } from './failed-records.ts';
import { clean, duration, STAGE_TITLES, shortDuration, units } from './format.ts';
import { LiveBlock, type TerminalStream } from './live-block.ts';
import { noteText } from './note-text.ts';
import { PHASE_TITLES, runTitle } from './phase-titles.ts';
import { planText } from './plan-text.ts';
import { liveText, retryText, StageProgress } from './stage-progress.ts';

interface LiveOptions {
  readonly stream: TerminalStream;
  readonly paint: ChalkInstance;
  readonly clock: Clock;
  /** The plan is the command's result and is printed elsewhere. */
  readonly planIsResult: boolean;
}

/** A display that must be closed: until then it is drawn again and again. */
export interface LiveReporter {
  take(event: RunEvent): void;
  /** Leaves what is drawn, then names the failed records. Never rejects. */
  close(): Promise<void>;
}

/** One line of the list. */
interface Item {
  readonly name: StageName | 'verify' | 'finalize';
  title: string;
  state: 'waiting' | 'working' | 'done' | 'failed';
  since: number;
  progress?: StageProgress | undefined;
  /** What it said last, such as that it is paused. */
  note?: string | undefined;
  /** Why it waits, until then. */
  held?: { readonly text: string; readonly until: number } | undefined;
}

/** How often the block is drawn, ms. */
const DRAW_MS = 150;
const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/**
 * A live list of the stages for a terminal, made of the same events as the plain lines. While the stores are looked at it
 * is one line. It rests while a question is asked: from the plan on until the first stage moves.
 */
export function liveReporter(options: LiveOptions): LiveReporter {
  const { stream, paint, clock } = options;
  const block = new LiveBlock(stream);
  const failedLine = failedRecordLines(paint);
  const items = new Map<string, Item>();
  let looking: { readonly text: string; readonly since: number } | undefined;
  let moves = '';
  let undoing = false;
  let frame = 0;
  let timer: ReturnType<typeof setInterval> | undefined;

  const draw = () => {
    frame += 1;
    const spinner = paint.yellow(SPINNER[frame % SPINNER.length] ?? '');
    const now = clock.now();
    if (looking !== undefined) block.draw([`${spinner} ${looking.text}${seconds(now - looking.since)}`]);
    else if (items.size > 0) block.draw([...items.values()].flatMap((item) => linesOf(item, { spinner, paint, now })));
  };
  const start = () => {
    timer ??= setInterval(draw, DRAW_MS).unref();
    draw();
  };
  const rest = () => {
    clearInterval(timer);
    timer = undefined;
  };
  const begin = (name: string) => {
    const item = items.get(name);
    if (item === undefined || item.state !== 'waiting') return;
    item.state = 'working';
    item.since = clock.now();
  };
  const end = (name: string, state: 'done' | 'failed', more = '') => {
    const item = items.get(name);
    if (item === undefined || item.state === 'done' || item.state === 'failed') return;
    Object.assign(item, {
      state,
      title: `${item.title}${more}`,
      progress: undefined,
      note: undefined,
      held: undefined,
    });
  };
  const endLook = () => {
    block.clear();
    looking = undefined;
    rest();
  };
  /** `how`: what became of the run, where it did not come to a good end. */
  const endAll = (how?: string) => {
    for (const { name, state } of items.values()) {
      if (how === undefined) end(name, 'done');
      else if (state === 'working') end(name, 'failed', ` ${how}`);
    }
  };
  /** A new list, under the one before. */
  const list = (names: readonly Item['name'][], title: (name: Item['name']) => string) => {
    if (items.size > 0) draw();
    block.leave();
    items.clear();
    for (const name of names) items.set(name, { name, title: title(name), state: 'waiting', since: clock.now() });
  };

  const takePhase = ({ phase, stages }: Extract<RunEvent, { type: 'phase' }>) => {
    if (phase === 'preflight' || phase === 'plan') {
      looking = { text: PHASE_TITLES[phase], since: clock.now() };
    } else if (phase === 'apply') {
      list([...stages, 'verify', 'finalize'], (name) => titleOf(name, moves));
    } else if (phase === 'undo') {
      list(stages, (name) => `Take back ${titleOf(name, moves)}`);
    } else if (phase === 'verify' && items.size === 0) {
      looking = { text: PHASE_TITLES.verify, since: clock.now() };
    } else {
      if (phase === 'finalize') end('verify', 'done');
      // After finalize it is compared once more: that is the last line's.
      begin(phase === 'verify' && items.get('verify')?.state === 'done' ? 'finalize' : phase);
    }
    start();
  };

  const takeStage = (event: Extract<RunEvent, { stage: StageName }>): void => {
    const item = items.get(event.stage);
    if (item === undefined) {
      if (event.type === 'note') block.print(`  ${clean(event.text)}`);
      return;
    }
    switch (event.type) {
      case 'stage-started':
        undoing = event.phase === 'undo';
        if (event.phase !== 'finalize') begin(event.stage);
        return;
      case 'total':
        item.progress = new StageProgress(clock, event);
        return;
      case 'progress':
        item.progress?.take(event);
        if (item.held !== undefined && clock.now() >= item.held.until) item.held = undefined;
        return;
      case 'note':
        item.note = clean(event.text).trim();
        return;
      case 'retry':
        item.held = { text: retryText(event), until: clock.now() + event.delayMs };
        return;
      case 'record-failed':
        item.progress?.take(event);
        return;
      case 'stage-finished': {
        if (event.phase === 'finalize') return;
        const { status, failed, moved, unit, phases } = event.row;
        const time = duration(phases[event.phase] ?? 0);
        const how = undoing ? `taken back in ${time}` : `${units(moved, unit)} in ${time}`;
        if (status === 'failed' || status === 'undo-failed')
          end(event.stage, 'failed', failed > 0 ? ` ${failed} failed` : ' failed');
        else end(event.stage, 'done', paint.dim(` ${how}`));
        return;
      }
    }
  };

  const take = (event: RunEvent): void => {
    const line = failedLine(event);
    if (line !== undefined) block.print(line);
    if ('stage' in event) {
      takeStage(event);
      return;
    }
    switch (event.type) {
      case 'run-started':
        moves = clean(movesText(event.moves));
        block.print(paint.bold(runTitle(event.command, moves)));
        if (event.continuing) block.print(`Continuing run ${event.runId}`);
        return;
      case 'planned':
        endLook();
        if (!options.planIsResult) block.print(`\n${planText(event.plan, event, paint)}\n`);
        return;
      case 'run-note':
        block.print(noteText(event, paint));
        return;
      case 'phase':
        takePhase(event);
        return;
      case 'stopping':
        block.print(paint.yellow(`${event.signal}: finishing what is under way, then stopping`));
        return;
      case 'run-finished':
        endAll(event.report.exitCode === 0 ? undefined : event.report.outcome === 'stopped' ? 'stopped' : 'failed');
        if (items.size > 0) draw();
        return;
    }
  };
  const close = async () => {
    rest();
    if (looking !== undefined) block.clear();
    looking = undefined;
    endAll('ended');
    draw();
    block.leave();
    items.clear();
  };
  return { take, close };
}

interface Look {
  readonly spinner: string;
  readonly paint: ChalkInstance;
  readonly now: number;
}

/** Its title; while it works also how far it is, and what holds it up. */
function linesOf(item: Item, { spinner, paint, now }: Look): readonly string[] {
  const { state, title, progress, note, held, since } = item;
  if (state === 'done') return [paint.green(`✔ ${title}`)];
  if (state === 'failed') return [paint.red(`✖ ${title}`)];
  if (state === 'waiting') return [paint.dim(`◼ ${title}`)];
  const lines = [`${spinner} ${title}${progress === undefined ? seconds(now - since) : ''}`];
  if (progress !== undefined) lines.push(`    ${liveText(progress.now)}`);
  if (held !== undefined) lines.push(`    ${paint.yellow(held.text)}`);
  else if (note !== undefined) lines.push(`    ${paint.dim(note)}`);
  return lines;
}

function titleOf(name: Item['name'], moves: string): string {
  if (name === 'verify') return 'Verify';
  if (name === 'finalize') return 'Finalize';
  return `${STAGE_TITLES[name].short}: ${moves}`;
}

/** What has taken no second yet need not say how long. */
function seconds(ms: number): string {
  return ms < 1_000 ? '' : ` ${shortDuration(Math.floor(ms / 1_000) * 1_000)}`;
}
