import type { Flag } from './flag.ts';

export const REPORT_FLAGS: readonly Flag[] = [
  {
    name: 'report-dir',
    kind: 'text',
    path: 'folder',
    group: 'Output',
    help: 'also write report.html, report.md and report.json into this folder',
    commands: ['move', 'plan', 'apply', 'resume', 'verify', 'rollback'],
  },
  {
    name: 'format',
    kind: 'text',
    group: 'Output',
    help: 'in which form the report is printed',
    choices: ['text', 'markdown', 'html', 'json', 'csv'],
    fallback: 'text',
    commands: ['report'],
  },
];
