import type { Flag } from './flag.ts';

export const NOTIFY_FLAGS: readonly Flag[] = [];
