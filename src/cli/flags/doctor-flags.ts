import type { Flag } from './flag.ts';

export const DOCTOR_FLAGS: readonly Flag[] = [
  {
    name: 'probe-writes',
    kind: 'switch',
    group: 'Safety',
    help: 'try what can only be learned by writing, and remove what was written',
    commands: ['doctor'],
  },
];
