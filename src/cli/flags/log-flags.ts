import type { Flag } from './flag.ts';

export const LOG_FLAGS: readonly Flag[] = [
  {
    name: 'log-format',
    kind: 'text',
    group: 'Output',
    help: 'what stands on stderr: text for people, or one JSON object a line',
    choices: ['text', 'json'],
    fallback: 'text',
  },
  {
    name: 'log-file',
    kind: 'text',
    path: 'file',
    group: 'Output',
    help: 'add the JSON lines to this file as well',
    commands: ['move', 'plan', 'apply', 'resume', 'verify', 'rollback'],
  },
];
