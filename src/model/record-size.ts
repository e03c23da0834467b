/** The journal, the plan and the report of a run, bytes at most. */
const OWN_BYTES = 16_000_000;

/** What the record of a run takes on disk at most, bytes: the undo logs of its stages and what stands beside them. */
export function recordSize(stages: readonly { readonly undoBytes?: number | undefined }[]): number {
  return stages.reduce((sum, { undoBytes = 0 }) => sum + undoBytes, OWN_BYTES);
}
