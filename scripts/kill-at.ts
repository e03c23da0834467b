import { type SpawnOptions, spawn } from 'node:child_process';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JournalEntry } from '../src/journal/journal-entry.ts';
import type { StageName } from '../src/stages/stage.ts';

/** How far a stage's apply is, as its run's journal tells. */
export interface StageProgress {
  /** Records that the stage shall move; 0 before apply has begun. */
  readonly total: number;
  /** Records in batches that are known to be done. */
  readonly done: number;
  /** Batches that may have been sent and are not known to be done. */
  readonly unknownBatches: number;
}

export interface KillAt {
  /** The built command's arguments, after the path of its main file. */
  readonly main: string;
  readonly args: readonly string[];
  readonly stateDir: string;
  readonly stage: StageName;
  /** Killed once so much of the stage is done, 0 to 1. */
  readonly share: number;
  readonly spawn: SpawnOptions;
}

/** Nothing that is killed here takes longer; ms. */
const LONGEST_MS = 120_000;
/** Between two looks at the journal, ms. */
const LOOK_MS = 1;

/**
 * Starts the command as a process of its own and kills it (SIGKILL) once the journal of its new run says that `share` of
 * the stage is done. Resolves to what the journal says afterwards; rejects where the process ended before, or where the
 * stage was not in the middle of its work.
 */
export async function killAt(kill: KillAt): Promise<StageProgress & { readonly run: string }> {
  const { main, args, stateDir, stage, share } = kill;
  const before = new Set(await runsIn(stateDir));
  const child = spawn(process.execPath, [main, ...args], kill.spawn);
  const ended = new Promise<string>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  ended.then(over, over);
  const end = performance.now() + LONGEST_MS;
  let journal: JournalTail | undefined;
  while (!isOver && performance.now() < end) {
    const run = journal === undefined ? (await runsIn(stateDir)).find((name) => !before.has(name)) : undefined;
    if (run !== undefined) journal = new JournalTail(join(stateDir, 'runs', run, 'journal.ndjson'), run);
    const { total, done } = (await journal?.progressOf(stage)) ?? { total: 0, done: 0 };
    if (total > 0 && done / total >= share) break;
    await sleep(LOOK_MS);
  }
  child.kill('SIGKILL');
  const how = await ended;
  if (how !== 'SIGKILL') throw new Error(`the command ended with ${how} before it could be killed in ${stage}`);
  const progress = await journal?.progressOf(stage);
  if (journal === undefined || progress === undefined || progress.done === 0 || progress.done >= progress.total) {
    throw new Error(`the command was not in the middle of ${stage} when it was killed: ${JSON.stringify(progress)}`);
  }
  return { ...progress, run: journal.run };
}

/** A journal that is being written, read on from where the last look ended: a look costs what is new. */
export class JournalTail {
  readonly run: string;
  readonly #path: string;
  readonly #entries: JournalEntry[] = [];
  #end = 0;

  constructor(path: string, run: string) {
    this.#path = path;
    this.run = run;
  }

  /** What the whole lines say that are there by now. */
  async progressOf(stage: StageName): Promise<StageProgress> {
    await this.#readOn();
    let [total, done, intended] = [0, 0, 0];
    const doneBatches = new Set<number>();
    for (const entry of this.#entries) {
      if (entry.type === 'phase') total = entry.totals?.[stage] ?? total;
      if (entry.type === 'intent' && entry.stage === stage) intended = Math.max(intended, entry.batches[1]);
      if (entry.type !== 'done' || entry.stage !== stage) continue;
      done += entry.moved;
      doneBatches.add(entry.batch);
    }
    return { total, done, unknownBatches: intended - doneBatches.size };
  }

  async #readOn(): Promise<void> {
    const text = await readFrom(this.#path, this.#end);
    const whole = text.subarray(0, text.lastIndexOf(0x0a) + 1);
    this.#end += whole.length;
    for (const line of whole.toString('utf8').split('\n')) {
      // Each line begins with its checksum.
      if (line !== '') this.#entries.push(JSON.parse(line.slice(line.indexOf(' ') + 1)) as JournalEntry);
    }
  }
}

async function runsIn(stateDir: string): Promise<readonly string[]> {
  return (await ifThere(readdir(join(stateDir, 'runs')))) ?? [];
}

async function readFrom(path: string, offset: number): Promise<Buffer> {
  const file = await ifThere(open(path, 'r'));
  if (file === undefined) return Buffer.alloc(0);
  try {
    const { size } = await file.stat();
    const bytes = Buffer.alloc(Math.max(0, size - offset));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, offset);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Undefined for what is not there yet. */
async function ifThere<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
