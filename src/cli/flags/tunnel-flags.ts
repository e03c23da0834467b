import type { Flag } from './flag.ts';

export const TUNNEL_FLAGS: readonly Flag[] = [];
