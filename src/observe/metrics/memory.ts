import { totalmem } from 'node:os';
import { constrainedMemory, memoryUsage } from 'node:process';
import { getHeapStatistics } from 'node:v8';

/** What the process uses, and what it may use, bytes. */
export interface Memory {
  readonly heap: number;
  readonly heapLimit: number;
  readonly resident: number;
  readonly residentLimit: number;
}

/** As it is now. Where no container limits the process, the machine does. */
export function memoryNow(): Memory {
  const { used_heap_size: heap, heap_size_limit: heapLimit } = getHeapStatistics();
  const machine = totalmem();
  // 0 or a number beyond all memory where there is no limit.
  const container = constrainedMemory();
  const residentLimit = container > 0 && container < machine ? container : machine;
  return { heap, heapLimit, resident: memoryUsage.rss(), residentLimit };
}
