import { mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { optionsOf } from '../../src/cli/run-command.ts';
import { readSettings, type Settings } from '../../src/cli/settings.ts';
import { RunFolder } from '../../src/journal/run-folder.ts';
import type { Move } from '../../src/model/move.ts';
import type { BoundStage, CommonContext } from '../../src/orchestrator/bound-stage.ts';
import { Gate } from '../../src/orchestrator/gate.ts';
import { Limits } from '../../src/orchestrator/limits.ts';
import { OutcomeRows } from '../../src/orchestrator/outcome.ts';
import { RateLimit } from '../../src/orchestrator/rate-limit.ts';
import { RunLocks } from '../../src/orchestrator/run-locks.ts';
import { writeStep } from '../../src/orchestrator/write-step.ts';
import { ragApi } from '../../src/profiles/rag-api.ts';
import { stageOrder } from '../../src/stages/index.ts';
import type { StageName, StagePlan, UndoPort } from '../../src/stages/stage.ts';
import { wireLocks } from '../../src/wire/locks.ts';
import { wireRedisSettings, wireStages } from '../../src/wire.ts';
import { timed } from './there-and-back.ts';

/** One stage of one move, at the servers that the flags name. */
export interface OneApply {
  readonly stage: StageName;
  readonly move: Move;
  /** Flags of the command, by name. `redis-url` is also where the lease is taken. */
  readonly flags: Readonly<Record<string, string>>;
  /** Records that must be moved. */
  readonly records: number;
}

/** `safe`: journal, undo log, locks and lease, as in a run. `bare`: none of them. */
export type Safety = 'safe' | 'bare';

/** The ms that apply alone takes; plan, connections, locks and the run's folder are there before. */
export async function applyAsRun(one: OneApply, safety: Safety): Promise<number> {
  const stateDir = await mkdtemp(join(tmpdir(), 'tenant-migrate-bench-'));
  const settings = await readSettings({ command: 'move', flags: { ...one.flags, 'state-dir': stateDir }, env: {} });
  const skipped = stageOrder.filter((name) => name !== one.stage);
  const [stage] = wireStages({ settings, profile: ragApi, secrets: undefined, emit: () => undefined }, skipped);
  if (stage === undefined) throw new Error(`there is no stage ${one.stage}`);
  try {
    const common = contextOf(settings);
    // Opens the writer too.
    const problems = await stage.preflight([one.move], common, true);
    if (problems.length > 0) throw new Error(JSON.stringify(problems));
    const ready = { stage, plan: await stage.plan([one.move], common), common };
    return safety === 'bare' ? await applyBare(one, ready) : await applySafely(one, { ...ready, settings });
  } finally {
    await stage.close();
    await rm(stateDir, { recursive: true });
  }
}

interface Ready {
  readonly stage: BoundStage;
  readonly plan: StagePlan;
  readonly common: CommonContext;
}

async function applyBare(one: OneApply, { stage, plan, common }: Ready): Promise<number> {
  let moved = 0;
  const ms = await timed(async () => {
    const ports = { undo: keepsNothing(), permit: () => Promise.resolve() };
    for await (const checkpoint of stage.apply(plan, common, ports)) moved += checkpoint.moved;
  });
  expectAll(moved, one);
  return ms;
}

async function applySafely(one: OneApply, ready: Ready & { readonly settings: Settings }): Promise<number> {
  const { stage, plan, common, settings } = ready;
  const { clock, signal, emit } = common;
  const own = { pid: process.pid, host: hostname() };
  // Every part has a lease, also one whose stage has nothing to do with Redis.
  const redis = wireRedisSettings(settings, []);
  const ports = wireLocks({ settings, redis, own, signal, note: () => undefined });
  const locks = new RunLocks(ports, [one.move], clock);
  const folder = await RunFolder.create(settings['state-dir'], {
    toolVersion: 'bench',
    moves: [one.move],
    profileDigest: 'bench',
    stores: { [one.stage]: stage.address },
    settings: {},
    startedAt: new Date(clock.now()).toISOString(),
  });
  try {
    const holder = { runId: folder.record.id, command: 'move' };
    await locks.takeLocal(holder);
    const without = await locks.takeLease(holder);
    if (without !== undefined) throw new Error(`no lease: ${without}`);
    await folder.open({ command: 'move', toolVersion: 'bench', settings: 'bench', ...own, now: () => clock.now() });
    const limits = new Limits({ clock });
    const gate = new Gate({ locks, limits, pauseFile: undefined, rate: new RateLimit(), signal, clock, emit });
    const rows = new OutcomeRows([one.stage], [], stageOrder);
    const step = { stage, phase: 'apply', plan, context: common, folder, gate, rows, emit: () => undefined } as const;
    const ms = await timed(() => writeStep(step));
    expectAll(rows.of(one.stage).moved, one);
    return ms;
  } finally {
    await locks.release();
    await folder.close();
  }
}

function contextOf(settings: Settings): CommonContext {
  const clock = { now: () => Date.now() };
  const signal = new AbortController().signal;
  return { profile: ragApi, options: optionsOf(settings), runId: 'bench', signal, clock, emit: () => undefined };
}

function keepsNothing(): UndoPort {
  let last = 0;
  return {
    append: () => {
      last += 1;
      return Promise.resolve(last);
    },
    read: () => {
      throw new Error('nothing was kept');
    },
  };
}

function expectAll(moved: number, { stage, records }: OneApply): void {
  if (moved !== records) throw new Error(`${moved} records were moved in ${stage}, there are ${records}`);
}
