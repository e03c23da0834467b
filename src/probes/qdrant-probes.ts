import type { MeasuredSpec, OptimizerSpec, QdrantStatus, Restraint } from '../model/probe-spec.ts';
import type { ThrottleLevel } from '../model/throttle-level.ts';
import type { CollectionHealth, QdrantReader } from '../stores/qdrant/qdrant-reader.ts';
import type { KeptReader } from './kept-reader.ts';
import { measured } from './measured.ts';
import { ABORT_LOOKS, CALM_LOOKS, type Probe } from './probe.ts';

type Reader = KeptReader<Pick<QdrantReader, 'health' | 'stoppedBy' | 'close'>>;

const WORST_LAST: readonly QdrantStatus[] = ['green', 'grey', 'yellow', 'red'];
const STRONGEST_FIRST: readonly Restraint[] = ['abort', 'pause', 'slow'];

/** Updates that Qdrant has taken and not yet applied, of the collection that has the most. */
export function qdrantQueue(spec: MeasuredSpec, reader: Reader): Probe {
  return probeOf(spec.kind, reader, (collections) => {
    const told = collections.filter(({ updateQueue }) => updateQueue !== undefined);
    const blind = 'the server does not tell of its update queue';
    if (collections.length > 0 && told.length === 0) return { level: 'go', calm: 'go', reason: '', blind };
    const [longest] = told.sort((a, b) => (b.updateQueue ?? 0) - (a.updateQueue ?? 0));
    return measured(spec, `update queue of ${longest?.name ?? ''}`, longest?.updateQueue ?? 0);
  });
}

/** The worst state of a collection. Grey, which waits for the next write to go on, is worse than green only where asked. */
export function qdrantOptimizer(spec: OptimizerSpec, reader: Reader): Probe {
  return probeOf(spec.kind, reader, (collections) => {
    const [worst] = [...collections].sort((a, b) => rank(b) - rank(a));
    const level = worst === undefined ? 'go' : levelOf(spec, worst);
    const why =
      worst?.optimizerError === undefined ? `is ${worst?.status}` : `has a failed optimizer: ${worst.optimizerError}`;
    return { level, calm: level, reason: level === 'go' ? '' : `collection ${worst?.name} ${why}` };
  });
}

function probeOf(
  name: string,
  reader: Reader,
  judge: (collections: CollectionHealth[]) => ReturnType<typeof measured>,
): Probe {
  return {
    name,
    spoken: false,
    calmLooks: CALM_LOOKS,
    abortLooks: ABORT_LOOKS,
    look: async (signal) => judge([...(await (await reader.get()).stoppedBy(signal).health())]),
    close: () => reader.close(),
  };
}

/** A failed optimizer is as bad as a collection that lost updates, whatever its status. */
function rank({ status, optimizerError }: CollectionHealth): number {
  return optimizerError === undefined ? WORST_LAST.indexOf(status) : WORST_LAST.length;
}

function levelOf({ levels }: OptimizerSpec, worst: CollectionHealth): ThrottleLevel {
  for (const level of STRONGEST_FIRST) {
    const from = levels[level];
    // Grey comes between green and yellow: who names yellow does not mean it, who names grey means yellow too.
    if (from !== undefined && rank(worst) >= WORST_LAST.indexOf(from)) return level;
  }
  return 'go';
}
