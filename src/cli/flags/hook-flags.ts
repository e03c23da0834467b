import { type Flag, RUNS } from './flag.ts';

export const HOOK_FLAGS: readonly Flag[] = [
  {
    name: 'hook',
    kind: 'list',
    group: 'Hooks',
    help: 'event=program or event=https://… that is called then, such as before-plan=./fence.sh (may be given again)',
    commands: RUNS,
  },
  {
    name: 'hook-timeout',
    kind: 'text',
    group: 'Hooks',
    help: 'longest time that one hook may take, seconds',
    fallback: '60',
    commands: RUNS,
  },
  {
    name: 'skip-hooks',
    kind: 'switch',
    group: 'Hooks',
    help: 'call none of them',
    commands: RUNS,
  },
];

/** What a hook finds in its environment. A hook may call this program: there they are no settings. */
export const HOOK_VARIABLES = ['EVENT', 'RUN', 'COMMAND', 'STAGE', 'PHASE', 'REPORT', 'SOURCE', 'TARGET'].map(
  (name) => `TENANT_MIGRATE_HOOK_${name}`,
);
