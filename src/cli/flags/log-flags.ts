import type { Flag } from './flag.ts';

export const LOG_FLAGS: readonly Flag[] = [];
