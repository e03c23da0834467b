import { hostname } from 'node:os';
import type { Settings } from '../cli/settings.ts';

import { check, clockCheck, latencyCheck } from '../doctor/common-checks.ts';
import { configChecks } from '../doctor/config-checks.ts';
import type { Area } from '../doctor/examine.ts';
import { graphChecks } from '../doctor/graph-checks.ts';
import { type Leftovers, leftoverChecks } from '../doctor/leftover-checks.ts';
import { localChecks, type Surroundings, stateChecks } from '../doctor/local-checks.ts';
import { readLocalFacts } from '../doctor/local-facts.ts';
import { collectionChecks, qdrantVersionCheck } from '../doctor/qdrant-checks.ts';
import { redisChecks } from '../doctor/redis-checks.ts';
import { readLocks } from '../journal/tenant-lock.ts';
import { errorText, MigrateError } from '../model/errors.ts';
import type { Json } from '../model/json.ts';
import type { Move } from '../model/move.ts';
import { secretFields } from '../model/secret-mask.ts';
import type { BoundStage, CommonContext } from '../orchestrator/bound-stage.ts';
import type { Profile } from '../profiles/profile.ts';
import type { Check } from '../report/doctor-report.ts';
import type { Problem, StageName } from '../stages/stage.ts';
import { openConfigHealth } from '../stores/config-api/config-health.ts';
import { openGraphHealth } from '../stores/graph/graph-health.ts';
import { openQdrantHealth } from '../stores/qdrant/qdrant-health.ts';
import { openRedisHealth } from '../stores/redis/redis-health.ts';
import { configSettings, graphSettings, qdrantSettings, wireRedisSettings, wireStages } from '../wire.ts';

/** What the doctor is asked, and with what it may ask. */
export interface DoctorWiring {
  readonly settings: Settings;
  readonly profile: Profile;
  readonly skipped: readonly StageName[];
  /** The move that is meant; without one an id that nobody has stands in. */
  readonly move: Move | undefined;
  readonly common: CommonContext;
  readonly surroundings: Surroundings;
  readonly leftovers: () => Promise<Omit<Leftovers, 'locks'>>;
}

/** An id that no application gives a tenant. */
const NOBODY: Move = { source: 'tenant-migrate-doctor', target: 'tenant-migrate-doctor-target' };

/** All places to look at; nothing is connected yet. */
export function wireDoctor(wiring: DoctorWiring): { readonly areas: readonly Area[]; readonly stores: Stores } {
  const { settings, profile, skipped } = wiring;
  const stages = wireStages({ settings, profile, secrets: undefined, emit: () => undefined }, skipped);
  return {
    areas: [localArea(wiring), stateArea(wiring), ...stages.map((stage) => AREAS[stage.name](wiring, stage))],
    stores: Object.fromEntries(stages.map(({ name, address }) => [name, address])),
  };
}

type Stores = Readonly<Partial<Record<StageName, string>>>;

const AREAS: Readonly<Record<StageName, (wiring: DoctorWiring, stage: BoundStage) => Area>> = {
  config: configArea,
  redis: redisArea,
  qdrant: qdrantArea,
  graph: graphArea,
};

function localArea({ surroundings }: DoctorWiring): Area {
  const look = async () => localChecks(await readLocalFacts(surroundings.stateDir), surroundings);
  return { area: 'local', steps: [look] };
}

function stateArea({ surroundings, leftovers }: DoctorWiring): Area {
  const { stateDir } = surroundings;
  const left = async () => {
    const locks = (await readLocks(stateDir, hostname())).map(({ tenant, owner, alive, path }) => {
      const by = owner && `run ${owner.runId} (process ${owner.pid} on ${owner.host})`;
      return { tenant, owner: by, alive, path };
    });
    return leftoverChecks({ ...(await leftovers()), locks });
  };
  const look = async () => stateChecks(await readLocalFacts(stateDir), surroundings);
  return { area: 'state', steps: [look, left] };
}

function configArea(wiring: DoctorWiring, stage: BoundStage): Area {
  const { profile, move } = wiring;
  const { source } = move ?? NOBODY;
  const opened = once(() => openConfigHealth(configSettings({ ...wiring, emit: () => undefined })));
  const reach = async () => {
    const { ms, skewMs } = await (await opened()).reach(source);
    // Its Date header knows whole seconds only.
    return [latencyCheck('config', ms), ...clockCheck('config', skewMs, 1_000)];
  };
  const path = async () => {
    const body = await (await opened()).get(source);
    const { sections, maskedMembers } = profile.config;
    const held = sections.flatMap((name): [string, Json][] => {
      const section = body?.[name];
      return section === undefined ? [] : [[name, section]];
    });
    const fields = secretFields(Object.fromEntries(held), maskedMembers);
    const found = body && { secrets: fields.length, masked: fields.filter(({ masked }) => masked).length };
    return configChecks({ tenant: source, invented: move === undefined, found });
  };
  const steps = [reach, path, () => preflight(wiring, stage)];
  return { area: 'config', steps, close: closing(stage, opened) };
}

function redisArea(wiring: DoctorWiring, stage: BoundStage): Area {
  const { settings, move } = wiring;
  const [first] = wireRedisSettings(settings, []) ?? [];
  if (first === undefined) return { area: 'redis', steps: [] };
  const opened = once(() => openRedisHealth(first));
  const tenants = move === undefined ? [] : [move.source, move.target];
  const reach = async () => [latencyCheck('redis', await (await opened()).pings())];
  const look = async () => redisChecks(await (await opened()).health(tenants));
  const restore = async () => {
    if (!settings['probe-writes']) {
      const text = 'not tried: that writes a key (copies, backups and undo of overwritten keys use it)';
      return [
        check('redis', 'DUMP/RESTORE', 'unchecked', text, 'add --probe-writes: a key of its own that ends after 5 s'),
      ];
    }
    const refusal = await (await opened()).tryRestore();
    if (refusal === undefined) return [check('redis', 'DUMP/RESTORE', 'ok', 'a key of its own came back as it was')];
    const fix = 'renames do without; copies, backups and --on-conflict overwrite need it (MIGRATION.md, "Rights")';
    return [check('redis', 'DUMP/RESTORE', 'warning', refusal, fix)];
  };
  return {
    area: 'redis',
    steps: [reach, look, restore, () => preflight(wiring, stage)],
    close: closing(stage, opened),
  };
}

function qdrantArea(wiring: DoctorWiring, stage: BoundStage): Area {
  const { profile, move } = wiring;
  const opened = once(() => openQdrantHealth(qdrantSettings({ ...wiring, emit: () => undefined })));
  const reach = async () => {
    const { ms, version, skewMs } = await (await opened()).reach();
    return [latencyCheck('qdrant', ms), qdrantVersionCheck(version), ...clockCheck('qdrant', skewMs, 1_000)];
  };
  const look = async () => collectionChecks(await (await opened()).collections(), profile.qdrantField);
  const may = async () => {
    if (move !== undefined) return preflight(wiring, stage);
    return [check('qdrant', 'rights', 'unchecked', 'whether this key may write was not tried', PROBE)];
  };
  return { area: 'qdrant', steps: [reach, look, may], close: closing(stage, opened) };
}

const PROBE = 'doctor <source> <target> --probe-writes tries it without changing anything';

function graphArea(wiring: DoctorWiring, stage: BoundStage): Area {
  const opened = once(() => openGraphHealth(graphSettings({ ...wiring, emit: () => undefined })));
  const reach = async () => [latencyCheck('graph', await (await opened()).pings())];
  const look = async () => graphChecks(await (await opened()).health());
  // A label that nobody has would be made known to the server by trying it.
  const may = async () => (wiring.move === undefined ? [] : preflight(wiring, stage));
  return { area: 'graph', steps: [reach, look, may], close: closing(stage, opened) };
}

/** What the stage itself would refuse; with `--probe-writes` it tries the right to write as a real run does. */
async function preflight({ move, common, settings }: DoctorWiring, stage: BoundStage): Promise<readonly Check[]> {
  const probes = settings['probe-writes'];
  const problems = await stage.preflight([move ?? NOBODY], common, probes);
  if (problems.length > 0) return problemChecks(problems, stage.name, move === undefined);
  if (move === undefined) return [];
  const text = 'nothing forbids the move';
  if (probes) return [check(stage.name, 'preflight', 'ok', `${text}, writing included`)];
  return [check(stage.name, 'preflight', 'ok', `${text}, as far as reading tells`)];
}

/** What is denied for keys of a made-up id may be allowed for the tenant's own: that is told once. */
function problemChecks(problems: readonly Problem[], stage: StageName, invented: boolean): readonly Check[] {
  const unsure = invented ? problems.filter(({ code }) => code === 'denied') : [];
  const checks = problems
    .filter((problem) => !unsure.includes(problem))
    .map(({ message, fix }) => check(stage, 'preflight', 'error', message, fix));
  if (unsure[0] === undefined) return checks;
  const text = `this user’s rights depend on the names of the keys; for a made-up id: ${unsure[0].message}`;
  return [
    ...checks,
    check(stage, 'rights', 'unchecked', text, 'doctor <source> <target> asks for the ids that are meant'),
  ];
}

/** Opens at the first call, and keeps what came of it. */
function once<T>(open: () => Promise<T>): (() => Promise<T>) & { readonly opened: () => Promise<T> | undefined } {
  let opened: Promise<T> | undefined;
  const get = () => {
    opened ??= open();
    return opened;
  };
  return Object.assign(get, { opened: () => opened });
}

function closing(
  stage: BoundStage,
  connection: { readonly opened: () => Promise<{ close(): Promise<void> }> | undefined },
): () => Promise<void> {
  return async () => {
    await Promise.allSettled([stage.close(), connection.opened()?.then((one) => one.close())]);
  };
}

/** What became of an area that could not be looked at to its end. */
export function failedArea(area: Check['area'], error: unknown): Check {
  const { next, code } = error instanceof MigrateError ? error : { next: undefined, code: 'unreachable' as const };
  const name = code === 'unreachable' ? 'reach' : code === 'unauthorised' || code === 'denied' ? 'access' : 'look';
  const skip =
    area === 'local' || area === 'state' ? 'see --state-dir' : `see that it is up, or leave it out with --skip-${area}`;
  return check(area, name, 'error', errorText(error), next ?? skip);
}
