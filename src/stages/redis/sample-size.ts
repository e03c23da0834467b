/** Keys of a shape that are picked to be looked at. */
export const SAMPLES_PER_SHAPE = 200;
/** Keys of one tenant's shape whose content is read in any case. */
const LEAST_READ = 3;

/**
 * Keys of each tenant's shape whose content is read: of a list of tenants altogether about as many as of one. Reading 200
 * of each shape of fifty tenants took ten times as long as moving them.
 */
export function contentSampleSize(tenants: number): number {
  return Math.max(LEAST_READ, Math.ceil(SAMPLES_PER_SHAPE / Math.max(1, tenants)));
}
