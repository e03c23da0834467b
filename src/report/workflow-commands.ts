import { clean } from './format.ts';
import type { RunReport } from './report.ts';
import { takesPart } from './summary-text.ts';

/** GitHub shows no more of a kind for one step. */
const MOST_OF_A_KIND = 10;
const MOST_CHARACTERS = 1_000;

type Kind = 'error' | 'warning' | 'notice';

/**
 * One annotation of GitHub Actions: `::error title=…::…` with its escapes.
 * https://docs.github.com/actions/reference/workflow-commands-for-github-actions
 */
export function annotation(kind: Kind, title: string, text: string): string {
  const data = (value: string) => withoutCommands(clean(value)).slice(0, MOST_CHARACTERS).replaceAll('%', '%25');
  const property = data(title).replaceAll(':', '%3A').replaceAll(',', '%2C');
  return `::${kind} title=${property}::${data(text)}`;
}

/** What a run has to say beside its log, worst first: how it ended, what refused it, what verify saw. */
export function annotationsOf(report: RunReport): readonly string[] {
  const { exitCode, outcome, message, next, problems, findings } = report;
  const isBad = exitCode !== 0 && outcome !== 'planned';
  const ended = isBad ? [`${message}${next === null ? '' : ` (next: ${next})`}`] : [];
  const kind = outcome === 'stopped' ? 'warning' : 'error';
  const of = (severity: 'difference' | 'notice') =>
    findings.filter((finding) => finding.severity === severity && takesPart(finding.stage, report));
  return [
    ...ended.map((text) => annotation(kind, `tenant-migrate: ${outcome} (exit ${exitCode})`, text)),
    ...problems
      .map(({ stage, code, message: text, fix }) => annotation('error', `${stage}: ${code}`, `${text} (${fix})`))
      .slice(0, MOST_OF_A_KIND - ended.length),
    ...of('difference')
      .map(({ stage, kind: what, message: text }) => annotation('error', `${stage}: ${what}`, text))
      .slice(0, Math.max(0, MOST_OF_A_KIND - ended.length - problems.length)),
    ...of('notice')
      .map(({ stage, kind: what, message: text }) => annotation('notice', `${stage}: ${what}`, text))
      .slice(0, MOST_OF_A_KIND),
  ];
}

/**
 * Output in which a CI finds no command. Its runner obeys lines that begin with `::`, and `##[…]` and `##vso[…]` anywhere
 * in a line, whoever wrote them: a tenant, a key. In JSON these stand in strings alone, where the escape means the same.
 */
export function withoutCommands(text: string): string {
  return text.replace(/##(?=\[|vso\[)/g, '#\\u0023').replace(/^(\s*):(?=:)/gm, '$1\\u003a');
}
