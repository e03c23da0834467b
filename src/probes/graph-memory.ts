import type { MeasuredSpec } from '../model/probe-spec.ts';
import type { GraphReader } from '../stores/graph/graph-store.ts';
import type { KeptReader } from './kept-reader.ts';
import { measured } from './measured.ts';
import { ABORT_LOOKS, CALM_LOOKS, type Probe } from './probe.ts';

/** The share of its memory that the graph store uses: of Neo4j's heap, of Memgraph's limit. */
export function graphMemory(spec: MeasuredSpec, reader: KeptReader<Pick<GraphReader, 'memory' | 'close'>>): Probe {
  return {
    name: spec.kind,
    spoken: false,
    calmLooks: CALM_LOOKS,
    abortLooks: ABORT_LOOKS,
    async look() {
      const memory = await (await reader.get()).memory();
      const blind = 'the server tells this user neither what it uses nor what it may use';
      if (memory === undefined) return { level: 'go', calm: 'go', reason: '', blind };
      return measured(spec, 'graph memory', memory.usedBytes / memory.limitBytes);
    },
    close: () => reader.close(),
  };
}
