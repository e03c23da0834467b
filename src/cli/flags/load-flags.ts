import type { Flag } from './flag.ts';

export const LOAD_FLAGS: readonly Flag[] = [];
