import type { ApplyContext } from './stage.ts';

/**
 * Records of the next batch: as many as the operator asks for, else the stage's `own` number, and no more than a rate that
 * is set lets through at once. Asked for each batch, since a rate may change meanwhile.
 */
export function batchSize(ctx: Pick<ApplyContext<unknown>, 'options' | 'mostInBatch'>, own: number): number {
  return withinRate(ctx, ctx.options.batchSize ?? own);
}

/** The same where the operator's wish is in `size` already. */
export function withinRate({ mostInBatch }: Pick<ApplyContext<unknown>, 'mostInBatch'>, size: number): number {
  return Math.min(size, mostInBatch?.() ?? size);
}
