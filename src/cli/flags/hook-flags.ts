import type { Flag } from './flag.ts';

export const HOOK_FLAGS: readonly Flag[] = [];
