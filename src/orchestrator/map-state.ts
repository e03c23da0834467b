import type { MapFolder } from '../journal/map-folder.ts';
import type { RunFolder } from '../journal/run-folder.ts';
import { MigrateError } from '../model/errors.ts';

/** How far a map is, as the runs of its waves tell. */
export interface MapState {
  /** `done`: every wave is · `untouched`: none has written · `rolled-back`: all that wrote were taken back. */
  readonly state: 'done' | 'unfinished' | 'rolled-back' | 'untouched';
  /** One for each wave, in their order. */
  readonly waves: readonly WaveState[];
}

export interface WaveState {
  /** Its newest run that was not refused; undefined where there is none. */
  readonly run: RunFolder | undefined;
  readonly state: 'not-run' | 'done' | 'unfinished' | 'rolled-back';
  /** It may have written, and was not taken back. */
  readonly stands: boolean;
}

/** `runs`: all runs of the state folder, newest first. */
export async function mapState({ record }: MapFolder, runs: readonly RunFolder[]): Promise<MapState> {
  const own = runs.filter((run) => run.record.map?.id === record.id && run.record.state !== 'refused');
  const waves: WaveState[] = [];
  for (const index of record.waves.keys()) {
    waves.push(await waveState(own.find((run) => run.record.map?.wave === index + 1)));
  }
  if (waves.every(({ state }) => state === 'done')) return { state: 'done', waves };
  if (waves.some(({ stands }) => stands)) return { state: 'unfinished', waves };
  return { state: waves.some(({ state }) => state === 'rolled-back') ? 'rolled-back' : 'untouched', waves };
}

async function waveState(run: RunFolder | undefined): Promise<WaveState> {
  if (run === undefined) return { run, state: 'not-run', stands: false };
  const { state } = run.record;
  if (state === 'rolled-back') return { run, state, stands: false };
  const written = await mayHaveWritten(run);
  if (state === 'done') return { run, state, stands: written };
  return written ? { run, state: 'unfinished', stands: true } : { run, state: 'not-run', stands: false };
}

/** A journal that cannot be trusted must not make its map be forgotten. */
async function mayHaveWritten(run: RunFolder): Promise<boolean> {
  try {
    return await run.hasWritten();
  } catch (error) {
    if (error instanceof MigrateError && error.code === 'journal') return true;
    throw error;
  }
}
