import type { Flag } from './flag.ts';

export const METRICS_FLAGS: readonly Flag[] = [];
