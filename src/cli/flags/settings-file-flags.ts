import type { Flag } from './flag.ts';

export const SETTINGS_FILE_FLAGS: readonly Flag[] = [
  {
    name: 'config',
    kind: 'text',
    group: 'Settings',
    help: 'settings file; where absent tenant-migrate.yaml or .yml of the current folder, if there; none: no file',
    path: 'file',
  },
  {
    name: 'env',
    kind: 'text',
    group: 'Settings',
    help: 'which of its environments, such as dev or prod',
  },
];
