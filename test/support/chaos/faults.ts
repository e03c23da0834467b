import type { Fault } from './fault.ts';
import { networkFaults } from './network-faults.ts';
import { otherFaults } from './other-faults.ts';
import { redisFaults, redisLoss } from './redis-faults.ts';

/** Every fault that schedules draw from, in the order of the table. */
export const faults: readonly Fault[] = [...networkFaults, ...redisFaults, redisLoss, ...otherFaults];
