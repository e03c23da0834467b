import type { Move } from '../../src/model/move.ts';

/** One way to make a move; resolves to the ms that count. */
export interface Contender {
  readonly name: string;
  run(move: Move): Promise<number>;
}

/**
 * Median ms of each contender, in their order. In each round every one moves there and back again, so that all start
 * from the same data, both directions weigh alike, and a slow moment of the machine meets all. The first round warms up.
 */
export async function thereAndBack(
  contenders: readonly Contender[],
  { move, repeat }: { readonly move: Move; readonly repeat: number },
): Promise<readonly number[]> {
  const back = { source: move.target, target: move.source };
  const samples: number[][] = contenders.map(() => []);
  for (let round = 0; round <= repeat; round += 1) {
    for (const [index, contender] of contenders.entries()) {
      const ms = ((await contender.run(move)) + (await contender.run(back))) / 2;
      if (round > 0) samples[index]?.push(ms);
    }
  }
  return samples.map(median);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** The ms that `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}
