import { createHash } from 'node:crypto';
import type { RunReport } from '../report.ts';
import { subject, verdictOf } from '../report-view.ts';
import { notesSection, surroundingsSection } from './facts-section.ts';
import { findingsSections, problemsSection, shapesSection } from './findings-section.ts';
import { hero, topLine } from './hero.ts';
import { html, type Markup } from './html.ts';
import { countsSection, stagesSection, storesSection } from './stages-section.ts';
import { STYLE } from './style.ts';
import { tenantsSection } from './tenants-section.ts';
import { throughputSection } from './throughput-section.ts';
import { timelineSection } from './timeline-section.ts';

/**
 * The report as one HTML file that needs nothing else: no network, no script, which its own policy forbids, too. Every
 * value is escaped. Members that an older report has not got are left out.
 */
export function reportPage(report: RunReport): string {
  const { words } = verdictOf(report);
  const sections: readonly (Markup | undefined)[] = [
    problemsSection(report),
    storesSection(report),
    ...findingsSections(report).slice(0, hasDifferences(report) ? 1 : 0),
    tenantsSection(report),
    countsSection(report),
    timelineSection(report),
    throughputSection(report),
    stagesSection(report),
    shapesSection(report),
    ...findingsSections(report).slice(hasDifferences(report) ? 1 : 0),
    notesSection(report),
    surroundingsSection(report),
  ];
  const policy = `default-src 'none'; style-src '${digestOf(STYLE)}'; img-src data:; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>\n${html`<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">
<title>${words}: ${subject(report)}</title><link rel="icon" href="data:,"><style>${STYLE}</style></head>
<body><a class="skip" href="#report">Skip to the report</a>
<div class="wrap"><header>${topLine(report)}${hero(report)}</header>
<main id="report">${sections.map((one) => (one === undefined ? undefined : html`${one}\n`))}</main>
<footer>Made from report.json by tenant-migrate ${report.toolVersion}. This page loads nothing and runs no script. <code>tenant-migrate report --format markdown</code> and <code>json</code> give the same in other forms.</footer></div></body></html>`}\n`;
}

function hasDifferences({ findings }: RunReport): boolean {
  return findings.some(({ severity }) => severity === 'difference');
}

/** Only this style sheet may be used, to the byte. */
function digestOf(style: Markup): string {
  return `sha256-${createHash('sha256').update(style.toString()).digest('base64')}`;
}
