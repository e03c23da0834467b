import type { Settings } from '../cli/settings.ts';
import { nameOf, type ProbeSpec } from '../model/probe-spec.ts';
import { fileProbe } from '../probes/file-probe.ts';
import { graphMemory } from '../probes/graph-memory.ts';
import { httpProbe } from '../probes/http-probe.ts';
import { KeptReader } from '../probes/kept-reader.ts';
import type { Probe } from '../probes/probe.ts';
import { LONGEST_LOOK_MS, ProbeWatch } from '../probes/probe-watch.ts';
import { qdrantOptimizer, qdrantQueue } from '../probes/qdrant-probes.ts';
import { redisLatency } from '../probes/redis-latency.ts';
import { redisMemory } from '../probes/redis-memory.ts';
import type { StageName } from '../stages/stage.ts';
import { openGraphReader } from '../stores/graph/graph-store.ts';
import { openQdrantReader } from '../stores/qdrant/qdrant-store.ts';
import { openRedisReader } from '../stores/redis/redis-store.ts';
import { graphSettings, qdrantSettings } from '../wire.ts';
import { redisDatabases } from './redis-settings.ts';

interface Wiring {
  readonly settings: Settings;
  readonly skipped: readonly StageName[];
  readonly tell: (text: string) => void;
}

/** Shown in the servers' lists of clients. Not the name of a run's writers, whose leftovers are ended by it. */
const CLIENT_NAME = 'tenant-migrate-probe';

/** A look that is made again is no retry of the run. */
const quiet = () => undefined;

/** The probes that the settings name, without those of stages that are left out; undefined where there is none. */
export function wireProbes(wiring: Wiring): ProbeWatch | undefined {
  const { settings, skipped, tell } = wiring;
  const specs = settings.probe.filter((spec) => !isOf(spec, skipped));
  const leftOut = settings.probe.filter((spec) => isOf(spec, skipped)).map(nameOf);
  if (leftOut.length > 0) tell(`probes of stores that are left out: ${leftOut.join(', ')}`);
  if (specs.length === 0) return undefined;
  const probes = specs.map((spec) => probeOf(spec, settings));
  return new ProbeWatch({ probes, intervalMs: settings['probe-interval'], tell });
}

function isOf({ kind }: ProbeSpec, skipped: readonly StageName[]): boolean {
  return skipped.some((stage) => kind.startsWith(`${stage}-`));
}

/** Each has a connection of its own: what goes through it measures nothing but the server. */
function probeOf(spec: ProbeSpec, settings: Settings): Probe {
  switch (spec.kind) {
    case 'redis-latency':
      return redisLatency(spec, redisReader(settings));
    case 'redis-memory':
      return redisMemory(spec, redisReader(settings));
    case 'qdrant-queue':
      return qdrantQueue(spec, qdrantReader(settings));
    case 'qdrant-optimizer':
      return qdrantOptimizer(spec, qdrantReader(settings));
    case 'graph-memory':
      return graphMemory(spec, graphReader(settings));
    case 'file':
    case 'panic-file':
      return fileProbe(spec);
    case 'http':
      return httpProbe(spec, nameOf(spec));
  }
}

function redisReader(settings: Settings) {
  // Databases of one server: what holds for one holds for all.
  const [first] = redisDatabases(settings, { clientName: CLIENT_NAME, onRetry: quiet });
  return new KeptReader(() => {
    if (first === undefined) throw new Error('there is no database');
    return openRedisReader(first);
  });
}

function qdrantReader(settings: Settings) {
  return new KeptReader(() =>
    openQdrantReader({ ...qdrantSettings({ settings, emit: quiet }), timeoutMs: LONGEST_LOOK_MS }),
  );
}

function graphReader(settings: Settings) {
  return new KeptReader(() =>
    openGraphReader({ ...graphSettings({ settings, emit: quiet }), statementTimeoutMs: LONGEST_LOOK_MS }),
  );
}
