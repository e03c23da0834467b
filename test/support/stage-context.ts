import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UndoLog } from '../../src/journal/undo-log.ts';
import type { Profile } from '../../src/profiles/profile.ts';
import { ragApi } from '../../src/profiles/rag-api.ts';
import type { ApplyContext, Checkpoint, PlanContext, StageEvent, StageOptions } from '../../src/stages/stage.ts';

export const defaultOptions: StageOptions = {
  batchSize: undefined,
  merge: false,
  continuing: false,
  onConflict: 'fail',
  settleMs: 500,
  verify: 'sample',
  seed: 1,
  failOnUnclaimed: false,
  ambiguousKeys: 'refuse',
  deleteSourceConfig: false,
  qdrantMode: 'auto',
};

interface Overrides {
  readonly profile?: Profile;
  readonly options?: Partial<StageOptions>;
  readonly runId?: string;
  readonly signal?: AbortSignal;
  readonly events?: StageEvent[];
}

/** What the orchestrator hands a reading step, for tests that drive one stage alone. */
export function planContext<R>(store: R, overrides: Overrides = {}): PlanContext<R> {
  return {
    store,
    profile: overrides.profile ?? ragApi,
    options: { ...defaultOptions, ...overrides.options },
    runId: overrides.runId ?? 'test',
    signal: overrides.signal ?? new AbortController().signal,
    clock: { now: () => Date.now() },
    emit: (event) => void overrides.events?.push(event),
  };
}

/** The same for a writing step, with a real undo log in a temporary folder. */
export async function applyContext<W>(
  store: W,
  overrides: Overrides & { readonly permit?: (units: number) => Promise<void>; readonly undo?: UndoLog } = {},
): Promise<ApplyContext<W> & { readonly undo: UndoLog }> {
  const undo = overrides.undo ?? (await temporaryUndoLog());
  return {
    ...planContext(store, overrides),
    permit: overrides.permit ?? (() => Promise.resolve()),
    undo,
  };
}

/** Runs a step to its end and returns its checkpoints. */
export async function drain(step: AsyncIterable<Checkpoint>): Promise<readonly Checkpoint[]> {
  const checkpoints: Checkpoint[] = [];
  for await (const checkpoint of step) checkpoints.push(checkpoint);
  return checkpoints;
}

/** The sum of one count over checkpoints. */
export function total(checkpoints: readonly Checkpoint[], count: Exclude<keyof Checkpoint, 'batch'>): number {
  return checkpoints.reduce((sum, checkpoint) => sum + (checkpoint[count] ?? 0), 0);
}

/** A real undo log in a temporary folder, without a journal beside it. */
export async function temporaryUndoLog(
  path = join(tmpdir(), `tenant-migrate-undo-${randomUUID()}.gz`),
): Promise<UndoLog> {
  return UndoLog.open({ path, members: undefined, intend: () => Promise.resolve() });
}
