import type { ConfigWriter } from '../../stores/config-api/config-api.ts';
import type { ApplyContext, BatchId, Checkpoint } from '../stage.ts';
import { type ConfigPlan, isAsPlanned, type PlannedConfig } from './config-plan.ts';
import type { SecretsOf } from './config-secrets.ts';
import { openSecrets, restoreSections } from './kept-sections.ts';
import { restoreTarget } from './overwrite.ts';
import { deleteAsPlanned, leftChanged, lookBehindCache, note, pickSections, readSections, refresh } from './record.ts';
import { type DeletedEntry, entriesOf, moveKey, unreadable } from './undo-log.ts';

type Ctx = ApplyContext<ConfigWriter>;

/** Takes back what the undo log names. What was changed since is left, noted and counted as a conflict. */
export async function* undoConfigs(plan: ConfigPlan, ctx: Ctx, secretsOf: SecretsOf): AsyncGenerator<Checkpoint> {
  const configs = new Map(plan.configs.map((planned) => [moveKey(planned), planned]));
  for await (const batch of ctx.undo.read()) {
    for (const entry of entriesOf(batch)) {
      const planned = configs.get(moveKey(entry));
      if (planned === undefined) throw unreadable(batch.id);
      if (entry.kind !== 're-put') await lookBehindCache(planned, ctx);
      switch (entry.kind) {
        case 're-put':
          yield { batch: batch.id, moved: 0, skipped: 1 };
          break;
        case 'created':
          yield await removeCreated(planned, ctx, batch.id);
          break;
        case 'overwritten':
          yield await restoreTarget(entry, ctx, { batch: batch.id, secretsOf });
          break;
        case 'deleted':
          yield await restoreSource(planned, entry, ctx, { batch: batch.id, secretsOf });
      }
    }
  }
}

async function removeCreated(planned: PlannedConfig, ctx: Ctx, batch: BatchId): Promise<Checkpoint> {
  const target = await readSections(ctx, planned.target);
  if (target === undefined) return { batch, moved: 0, skipped: 1 };
  if (!isAsPlanned(planned, target)) return leftChanged(planned.target, ctx, batch);
  if ((await readSections(ctx, planned.source)) === undefined) {
    // Somebody deleted the source's: what we created is the last copy.
    note(ctx, `The config of ${planned.source} is gone, so the one of ${planned.target} is left as it is`);
    return { batch, moved: 0, conflicts: 1 };
  }
  await ctx.permit(1);
  const written = await deleteAsPlanned(planned.target, planned, ctx);
  if (written === 'changed') return leftChanged(planned.target, ctx, batch);
  await refresh(planned.target, ctx);
  note(ctx, `Target config removed: ${planned.target}`);
  return { batch, moved: 1 };
}

async function restoreSource(
  planned: PlannedConfig,
  entry: DeletedEntry,
  ctx: Ctx,
  { batch, secretsOf }: { readonly batch: BatchId; readonly secretsOf: SecretsOf },
): Promise<Checkpoint> {
  const source = await readSections(ctx, planned.source);
  if (source !== undefined) {
    if (!isAsPlanned(planned, source)) return leftChanged(planned.source, ctx, batch);
    return { batch, moved: 0, skipped: 1 };
  }
  // The log holds masks where the API shows secrets; a target that is still equal has what the API shows.
  const target = await readSections(ctx, planned.target);
  const asShown = target !== undefined && isAsPlanned(planned, target) ? target : entry.sections;
  // The target's record has what was moved there.
  const known = await secretsOf(planned, { target: asShown === target ? target : undefined });
  const real = new Map([...known.target.recorded, ...openSecrets(entry, known.source)]);
  const filled = restoreSections(asShown, ctx.profile.config.maskedMembers, real);
  await ctx.permit(1);
  const written = await ctx.store.put({
    tenant: planned.source,
    ...filled,
    judge: (found) => {
      if (found === undefined) return 'again';
      return isAsPlanned(planned, pickSections(found, ctx.profile)) ? 'done' : 'changed';
    },
  });
  if (written === 'changed') return leftChanged(planned.source, ctx, batch);
  await refresh(planned.source, ctx);
  note(ctx, `Source config restored: ${planned.source}`);
  return { batch, moved: 1 };
}
