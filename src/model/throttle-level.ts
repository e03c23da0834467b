/** How hard a run may work on the stores, the strongest restraint last. */
export const THROTTLE_LEVELS = ['go', 'slow', 'pause', 'abort'] as const;

export type ThrottleLevel = (typeof THROTTLE_LEVELS)[number];

/** What is wanted of the run now, and why. */
export interface Verdict {
  readonly level: ThrottleLevel;
  /** Who wants it: the same text for the same probe, whatever it measures. Empty under `go`. */
  readonly by: string;
  /** What was measured and what it was compared with, for people. Empty under `go`. */
  readonly reason: string;
  /** Somebody says so, by a file or a hook: it is not a store's state, which a rollback would rather relieve. */
  readonly spoken: boolean;
}

export const GO: Verdict = { level: 'go', by: '', reason: '', spoken: false };

/** Whether `level` restrains more than `other`. */
export function isStronger(level: ThrottleLevel, other: ThrottleLevel): boolean {
  return THROTTLE_LEVELS.indexOf(level) > THROTTLE_LEVELS.indexOf(other);
}

/** The strongest of them; of equal ones the first. */
export function strongest(verdicts: Iterable<Verdict>): Verdict {
  let found = GO;
  for (const verdict of verdicts) if (isStronger(verdict.level, found.level)) found = verdict;
  return found;
}
