import type { RedisForm } from './redis-place.ts';
import { type Slot, startSlot } from './slot.ts';

/** Works through the items, each in the next slot that is free; several slots side by side. */
export async function inLanes<T>(
  items: readonly T[],
  {
    lanes,
    graphUrl,
    form,
  }: { readonly lanes: number; readonly graphUrl: string | undefined; readonly form?: RedisForm | undefined },
  work: (slot: Slot, item: T) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const lane = async (): Promise<void> => {
    const slot = await startSlot(graphUrl, form);
    try {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(slot, item);
    } finally {
      await slot.stop();
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, items.length) }, lane));
}
