import type { Move } from '../model/move.ts';
import type {
  ApplyContext,
  Checkpoint,
  Finding,
  PlanContext,
  Problem,
  Stage,
  StageName,
  StagePlan,
  UndoPort,
  VerifyPhase,
} from '../stages/stage.ts';

import { type BoundBackup, bindBackup } from './bound-backup.ts';

/** How a stage reaches its store. Reader and writer are two connections: a dry run never opens a writer. */
export interface StoreAccess<R, W extends R> {
  /** Where the store is, without credentials. */
  readonly address: string;
  openReader(): Promise<R & Closable>;
  /** `runId` is the run that will write, so that another process can tell whose connection it is. */
  openWriter(runId: string): Promise<W & Closable>;
}

interface Closable {
  close(): Promise<void>;
}

/** What every step of every stage is given, whatever its store. */
export type CommonContext = Omit<PlanContext<unknown>, 'store'>;

/** What a writing step is given beside {@link CommonContext}. */
export interface WritePorts {
  permit(units: number): Promise<void>;
  readonly mostInBatch?: (() => number) | undefined;
  readonly undo: UndoPort;
}

/** A stage together with its store, so that the orchestrator need not know either. */
export interface BoundStage {
  readonly name: StageName;
  /** Where its store is, without credentials. */
  readonly address: string;
  preflight(moves: readonly Move[], common: CommonContext, real: boolean): Promise<readonly Problem[]>;
  plan(moves: readonly Move[], common: CommonContext): Promise<StagePlan>;
  apply(plan: StagePlan, common: CommonContext, ports: WritePorts): AsyncIterable<Checkpoint>;
  verify(plan: StagePlan, phase: VerifyPhase, common: CommonContext): Promise<readonly Finding[]>;
  finalize(plan: StagePlan, common: CommonContext, ports: WritePorts): AsyncIterable<Checkpoint>;
  undo(plan: StagePlan, common: CommonContext, ports: WritePorts): AsyncIterable<Checkpoint>;
  quiesce(moves: readonly Move[], common: CommonContext): Promise<void>;
  tenants(common: CommonContext): Promise<readonly string[]>;
  /** Absent where the stage takes no part in backups. */
  readonly backup: BoundBackup | undefined;
  close(): Promise<void>;
}

/** Joins a stage and its store. Connections are opened at their first use and kept. */
export function bindStage<R, W extends R, P extends StagePlan>(
  stage: Stage<R, W, P>,
  access: StoreAccess<R, W>,
): BoundStage {
  let reader: Promise<R & Closable> | undefined;
  let writer: Promise<W & Closable> | undefined;
  const reading = async (common: CommonContext): Promise<PlanContext<R>> => {
    reader ??= access.openReader();
    return { ...common, store: await reader };
  };
  const writing = async (common: CommonContext, ports: WritePorts): Promise<ApplyContext<W>> => {
    writer ??= access.openWriter(common.runId);
    // Ports may be class instances: named one by one, since a spread loses their methods.
    return {
      ...common,
      store: await writer,
      permit: (units) => ports.permit(units),
      mostInBatch: ports.mostInBatch,
      undo: ports.undo,
    };
  };
  async function* steps(
    run: (plan: P, ctx: ApplyContext<W>) => AsyncIterable<Checkpoint>,
    plan: StagePlan,
    common: CommonContext,
    ports: WritePorts,
  ): AsyncIterable<Checkpoint> {
    yield* run(plan as P, await writing(common, ports));
  }
  return {
    name: stage.name,
    address: access.address,
    preflight: async (moves, common, real) => {
      const ctx = await reading(common);
      if (!real) return stage.preflight(moves, ctx);
      writer ??= access.openWriter(common.runId);
      return stage.preflight(moves, ctx, await writer);
    },
    plan: async (moves, common) => stage.plan(moves, await reading(common)),
    apply: (plan, common, ports) => steps(stage.apply.bind(stage), plan, common, ports),
    verify: async (plan, phase, common) => stage.verify(plan as P, phase, await reading(common)),
    finalize: (plan, common, ports) => steps(stage.finalize.bind(stage), plan, common, ports),
    undo: (plan, common, ports) => steps(stage.undo.bind(stage), plan, common, ports),
    quiesce: async (moves, common) => {
      if (stage.quiesce === undefined) return;
      writer ??= access.openWriter(common.runId);
      await stage.quiesce(moves, { ...common, store: await writer });
    },
    backup:
      stage.backup === undefined
        ? undefined
        : bindBackup(stage.backup, {
            reading,
            writer: (common) => {
              writer ??= access.openWriter(common.runId);
              return writer;
            },
          }),
    tenants: async (common) => (await stage.tenants?.(await reading(common))) ?? [],
    close: async () => {
      const opened = await Promise.allSettled([reader, writer]);
      const connections = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      // Both are tried: one that stays open would keep the process alive.
      const closed = await Promise.allSettled(connections.map(async (connection) => connection?.close()));
      for (const result of closed) if (result.status === 'rejected') throw result.reason;
    },
  };
}
