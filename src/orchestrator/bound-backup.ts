import type { Json } from '../model/json.ts';
import type { Move } from '../model/move.ts';
import type { Profile } from '../profiles/profile.ts';
import type {
  BackupBatch,
  BackupPart,
  PlanContext,
  RestoreContext,
  RestoreLook,
  StageBackup,
} from '../stages/stage.ts';

type Common = Omit<PlanContext<unknown>, 'store'>;

/** A stage's part in backups together with its store. */
export interface BoundBackup {
  read(tenant: string, common: Common): AsyncIterable<BackupBatch>;
  compare(part: BackupPart, common: Common): Promise<RestoreLook>;
  restore(part: BackupPart, common: Common, permit: (units: number) => Promise<void>): AsyncIterable<number>;
  undoEntries(part: BackupPart, move: Move, profile: Profile): AsyncIterable<readonly Json[]>;
}

/** Joins them. The connections are those of the bound stage. */
export function bindBackup<R, W extends R>(
  backup: StageBackup<R, W>,
  contexts: {
    reading(common: Common): Promise<PlanContext<R>>;
    writer(common: Common): Promise<W>;
  },
): BoundBackup {
  return {
    async *read(tenant, common) {
      yield* backup.read(tenant, await contexts.reading(common));
    },
    compare: async (part, common) => backup.compare(part, await contexts.reading(common)),
    async *restore(part, common, permit) {
      const ctx: RestoreContext<W> = { ...common, store: await contexts.writer(common), permit };
      yield* backup.restore(part, ctx);
    },
    undoEntries: (part, move, profile) => backup.undoEntries(part, move, profile),
  };
}
