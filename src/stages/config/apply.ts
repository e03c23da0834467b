import { MigrateError } from '../../model/errors.ts';
import type { Sections } from '../../model/secret-mask.ts';
import type { ConfigWriter } from '../../stores/config-api/config-api.ts';
import type { ApplyContext, BatchId, Checkpoint } from '../stage.ts';
import { changedMeanwhile, stalePlan } from './changed.ts';
import {
  type ConfigPlan,
  deletesSource,
  differingSections,
  isAsPlanned,
  type PlannedConfig,
  toRePut,
} from './config-plan.ts';
import { fillSecrets, type GivenFields, realFields, type SecretsOf } from './config-secrets.ts';
import { keepSections } from './kept-sections.ts';
import { overwriteTarget } from './overwrite.ts';
import { deleteAsPlanned, lookBehindCache, note, pickSections, readSections, refresh } from './record.ts';
import { logEntry, moveKey, ownBatches, type UndoEntry } from './undo-log.ts';

type Ctx = ApplyContext<ConfigWriter>;

interface Put {
  readonly real: GivenFields;
  /** As the API returns them. */
  readonly sections: Sections;
  readonly kind: 'created' | 're-put';
}

/** Stands in a checkpoint where nothing was logged, since nothing was written. */
const NO_BATCH: BatchId = 0;

/** Writes the planned configs, one checkpoint each. Throws `stale-plan` where the source is no longer as planned. */
export async function* applyConfigs(plan: ConfigPlan, ctx: Ctx, secretsOf: SecretsOf): AsyncGenerator<Checkpoint> {
  const work = plan.configs.filter(({ action }) => action !== 'none');
  ctx.emit({ type: 'total', stage: 'config', total: work.length, unit: plan.unit });
  const own = await ownBatches(ctx.undo);
  for (const [index, planned] of work.entries()) {
    ctx.signal.throwIfAborted();
    yield await applyOne(planned, ctx, { secretsOf, own: own.get(moveKey(planned)) });
    ctx.emit({ type: 'progress', stage: 'config', done: index + 1, total: work.length });
  }
}

/** Deletes the source's configs where that is asked for, after comparing both ends once more. */
export async function* finalizeConfigs(plan: ConfigPlan, ctx: Ctx, secretsOf: SecretsOf): AsyncGenerator<Checkpoint> {
  for (const planned of plan.configs.filter((one) => deletesSource(one, ctx.options))) {
    ctx.signal.throwIfAborted();
    if (planned.action === 'none' || planned.action === 'conflict') continue;
    await lookBehindCache(planned, ctx);
    const source = await readSections(ctx, planned.source);
    if (source !== undefined) yield await deleteSource(planned, source, ctx, secretsOf);
  }
}

async function applyOne(
  planned: PlannedConfig,
  ctx: Ctx,
  { secretsOf, own }: { readonly secretsOf: SecretsOf; readonly own: BatchId | undefined },
): Promise<Checkpoint> {
  if (planned.action === 'conflict') return { batch: NO_BATCH, moved: 0, conflicts: 1 };
  const source = await readSections(ctx, planned.source);
  const target = await readSections(ctx, planned.target);
  const differing = differingSections(planned.sections, target);
  // After finalize the source is gone and the target holds what was planned.
  if (source === undefined && differing.length === 0) return { batch: own ?? NO_BATCH, moved: 0, skipped: 1 };
  if (source === undefined || !isAsPlanned(planned, source)) throw stalePlan(planned, 'source');
  const secrets = await secretsOf(planned, { source, target });
  const real = realFields(secrets.source);
  if (target === undefined) {
    if (planned.action !== 'create') throw stalePlan(planned, 'target');
    return putSections(planned, ctx, { real, sections: source, kind: 'created' });
  }
  if (differing.length > 0 && planned.action === 'overwrite') {
    return overwriteTarget(planned, ctx, { source, target, secrets });
  }
  if (differing.length > 0) return conflict(planned, ctx, differing);
  // What this run wrote holds the real values. Equal masks of any other origin prove nothing.
  const names = own === undefined ? toRePut(planned.sections, secrets) : [];
  if (names.length > 0) return putSections(planned, ctx, { real, sections: only(source, names), kind: 're-put' });
  // The attempt that wrote it may have been stopped before the server was told.
  if (own !== undefined) await refresh(planned.target, ctx);
  note(ctx, `Target config already there: ${planned.target}`);
  return { batch: own ?? NO_BATCH, moved: 0, skipped: 1 };
}

async function putSections(planned: PlannedConfig, ctx: Ctx, { real, sections, kind }: Put): Promise<Checkpoint> {
  const filled = fillSecrets(sections, ctx.profile.config.maskedMembers, real);
  await ctx.permit(1);
  const move = { source: planned.source, target: planned.target };
  const entry: UndoEntry = kind === 'created' ? { kind, ...move } : { kind, ...move, sections: Object.keys(sections) };
  const batch = await logEntry(ctx.undo, entry);
  const written = await ctx.store.put({
    tenant: planned.target,
    ...filled,
    judge: (found) => {
      if (found === undefined) return kind === 'created' ? 'again' : 'changed';
      if (!isAsPlanned(planned, pickSections(found, ctx.profile))) return 'changed';
      // An equal target was there before a re-put, so that only a reply tells that the values arrived.
      return kind === 'created' ? 'done' : 'again';
    },
  });
  if (written === 'changed') throw changedMeanwhile(planned.target);
  await refresh(planned.target, ctx);
  note(ctx, kind === 'created' ? 'Target config created' : `Target config written once more: ${planned.target}`);
  return { batch, moved: 1 };
}

function conflict(planned: PlannedConfig, ctx: Ctx, names: readonly string[]): Checkpoint {
  const text = `${planned.target} has a config of its own that differs in ${names.join(', ')}`;
  if (ctx.options.onConflict !== 'skip') {
    throw new MigrateError('conflict', text, {
      stage: 'config',
      next: 'keep it with --on-conflict skip, or replace it with --on-conflict overwrite',
    });
  }
  note(ctx, `${text}: left as it is`);
  return { batch: NO_BATCH, moved: 0, conflicts: 1 };
}

async function deleteSource(
  planned: PlannedConfig,
  source: Sections,
  ctx: Ctx,
  secretsOf: SecretsOf,
): Promise<Checkpoint> {
  const target = await readSections(ctx, planned.target);
  if (!isAsPlanned(planned, source)) throw changedMeanwhile(planned.source);
  if (!isAsPlanned(planned, target)) throw changedMeanwhile(planned.target);
  const { source: known } = await secretsOf(planned, { source, target });
  const kept = keepSections(source, ctx.profile.config.maskedMembers, known);
  await ctx.permit(1);
  const batch = await logEntry(ctx.undo, {
    kind: 'deleted',
    source: planned.source,
    target: planned.target,
    ...kept,
  });
  const written = await deleteAsPlanned(planned.source, planned, ctx);
  if (written === 'changed') throw changedMeanwhile(planned.source);
  await refresh(planned.source, ctx);
  note(ctx, `Source config deleted: ${planned.source}`);
  // The record was counted when it was written to the target.
  return { batch, moved: 0 };
}

function only(sections: Sections, names: readonly string[]): Sections {
  return Object.fromEntries(Object.entries(sections).filter(([name]) => names.includes(name)));
}
