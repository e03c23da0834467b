import type { StageName } from './stage.ts';

/** The stages in the order in which they run. */
export const stageOrder: readonly StageName[] = ['config', 'redis', 'qdrant', 'graph'];
