import type { Flag } from './flag.ts';

export const PROBE_FLAGS: readonly Flag[] = [];
