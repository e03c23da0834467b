import type { Finding, StageName } from '../stages/stage.ts';

/** Those that make a run fail. */
export function differencesIn(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ severity }) => severity === 'difference');
}

/** Stages in which apply, run again, can settle a difference. */
export function drainableStages(findings: readonly Finding[]): ReadonlySet<StageName> {
  return new Set(differencesIn(findings).flatMap(({ stage, drainable }) => (drainable ? [stage] : [])));
}

/** Stages in which sources stand that equal their targets. */
export function pendingRemoval(findings: readonly Finding[]): ReadonlySet<StageName> {
  return new Set(findings.flatMap(({ stage, kind }) => (kind === 'pending-removal' ? [stage] : [])));
}

/** Whether the operator may close the run over these differences: records that are still at the source are none such. */
export function canBeAccepted(differences: readonly Finding[]): boolean {
  return !differences.some(({ kind }) => kind === 'left-behind');
}

/** The operator has looked at the differences: they stand in the report as notices. */
export function accepted(findings: readonly Finding[]): readonly Finding[] {
  return findings.map((finding) =>
    finding.severity === 'notice'
      ? finding
      : { ...finding, severity: 'notice', message: `${finding.message} (accepted by --accept-differences)` },
  );
}

/** Records that others wrote to the source while it was moved. */
export function drainedFinding(stage: StageName, count: number, unit: string): Finding {
  return {
    stage,
    kind: 'drained',
    severity: 'notice',
    message: `${count.toLocaleString('en')} ${unit} appeared at the source during the move, and were moved as well: somebody still writes under the old id`,
    count,
    fix: 'let the application use the new id; verify once more when it does',
  };
}
