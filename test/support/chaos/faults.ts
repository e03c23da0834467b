import type { Fault } from './fault.ts';
import { apiFaults, qdrantFaults } from './http-faults.ts';
import { networkFaults } from './network-faults.ts';
import { clockFaults, processFaults } from './process-faults.ts';
import { redisFaults, redisLoss } from './redis-faults.ts';
import { runFolderFaults } from './run-folder-faults.ts';

/** Every fault that schedules draw from, in the order of the table. A seed means another schedule once this changes. */
export const faults: readonly Fault[] = [
  ...networkFaults,
  ...redisFaults,
  redisLoss,
  ...qdrantFaults,
  ...apiFaults,
  ...runFolderFaults,
  ...processFaults,
  ...clockFaults,
];
