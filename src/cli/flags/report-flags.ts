import type { Flag } from './flag.ts';

export const REPORT_FLAGS: readonly Flag[] = [];
