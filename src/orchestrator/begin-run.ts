import type { RunFolder } from '../journal/run-folder.ts';
import { digest } from '../model/fingerprint.ts';
import { canonicalJson } from '../model/json.ts';
import type { Problem, StageName } from '../stages/stage.ts';
import type { RunInput, Stores } from './run-input.ts';
import type { RunLocks } from './run-locks.ts';
import { unfinishedMaps, unfinishedRuns } from './run-problems.ts';

/** How a run begins: what it is, and what it goes on with. */
export interface Beginning {
  /** Absent where nothing may be written. */
  readonly folder: RunFolder | undefined;
  /** The run of the same moves that is being continued. */
  readonly same: RunFolder | undefined;
  /** Stages that it has begun: there data at both ends is our own. */
  readonly begun: readonly StageName[];
  /** Those of them that were moved and verified when the run ended well: its application has gone on since. */
  readonly verified: readonly StageName[];
  /** Those of them in which something was sent whose outcome is not known. */
  readonly unsettled: readonly StageName[];
  readonly problems: readonly Problem[];
  /** What the operator should know. */
  readonly notes: readonly string[];
}

/**
 * Finds or makes the run folder, with its record of source and target, before anything is connected, and takes this
 * machine's locks. A dry run, `plan` and `verify` leave no folder and take no lock.
 */
export async function beginRun(input: RunInput, writes: boolean, locks: RunLocks): Promise<Beginning> {
  const { moves, stages, profile, folders, toolVersion, settings, clock, map } = input;
  const startedAt = new Date(clock.now()).toISOString();
  const newId = folders.newId(startedAt);
  const notes = writes ? [...(await locks.takeLocal(await holderOf(input, newId)))] : [];
  // Only now: a run that held the lock may have ended meanwhile.
  const unfinished = await input.folders.unfinished();
  const same = input.resume ?? sameMoves(unfinished, input);
  const stores: Stores = Object.fromEntries(stages.map(({ name, address }) => [name, address]));
  const profileDigest = digest(canonicalJson(profile));
  const begun = (await same?.writtenStages()) ?? [];
  const unsettled = (await same?.unsettledStages()) ?? [];
  const verified = same?.record.state === 'done' ? same.record.settled : [];
  const of = { same, begun, verified, unsettled, notes };
  const problems =
    input.command === 'verify'
      ? []
      : [
          ...unfinishedRuns(unfinished, { same, moves, profileDigest, stores, sameServers: input.sameServers }),
          ...unfinishedMaps((await folders.unfinishedMaps?.()) ?? [], { moves, stores, own: map?.id }),
        ];
  if (!writes) return { ...of, folder: undefined, problems };
  const run = { id: newId, toolVersion, moves, map, profileDigest, stores, settings, startedAt };
  const folder = same ?? (await folders.create(run));
  if (problems.length > 0) return { ...of, folder, problems };
  try {
    await openFolder(folder, input);
    if (await folder.isJournalLost()) {
      notes.push('the run’s journal is gone: what is done is told by the stores alone (source gone and target there)');
    }
    // One that is finished stays so until it is written to.
    if (!folder.isFinished) await folder.setState('running', startedAt);
    return { ...of, folder, problems };
  } catch (error) {
    await Promise.allSettled([folder.close()]);
    throw error;
  }
}

function openFolder(folder: RunFolder, { command, toolVersion, settings, process, clock }: RunInput): Promise<void> {
  const digested = digest(canonicalJson(settings));
  return folder.open({ command, toolVersion, settings: digested, ...process, now: () => clock.now() });
}

/** A wave is continued by its map alone. */
function sameMoves(unfinished: readonly RunFolder[], { moves, map }: RunInput): RunFolder | undefined {
  return unfinished.find(
    ({ record }) =>
      canonicalJson(record.moves) === canonicalJson(moves) &&
      record.map?.id === map?.id &&
      record.map?.wave === map?.wave,
  );
}

/** Who takes the locks: the run that is gone on with, or the one that is made once they are held. */
async function holderOf(input: RunInput, newId: string): Promise<{ runId: string; command: string }> {
  const same = input.resume ?? sameMoves(await input.folders.unfinished(), input);
  return { runId: same?.record.id ?? newId, command: input.command };
}
