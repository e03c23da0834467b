import type { Flag } from './flag.ts';

export const SETTINGS_FILE_FLAGS: readonly Flag[] = [];
