import { MigrateError } from '../../model/errors.ts';
import { maskOf, replaceSecrets, type Sections } from '../../model/secret-mask.ts';
import type { ConfigWriter } from '../../stores/config-api/config-api.ts';
import type { ApplyContext, BatchId, Checkpoint } from '../stage.ts';
import {
  type ConfigPlan,
  differingSections,
  isAsPlanned,
  type PlannedConfig,
  provable,
  unrestorable,
} from './config-plan.ts';
import { fillSecrets, type GivenFields } from './config-secrets.ts';
import { deleteAsPlanned, note, pickSections, readSections } from './record.ts';
import { createdBatches, logEntry, moveKey, type UndoEntry } from './undo-log.ts';

type Ctx = ApplyContext<ConfigWriter>;
type Given = (source: string) => GivenFields;

interface Put {
  readonly given: GivenFields;
  /** As the API returns them. */
  readonly sections: Sections;
  readonly kind: 'created' | 're-put';
}

/** Stands in a checkpoint where nothing was logged, since nothing was written. */
const NO_BATCH: BatchId = 0;

/** Writes the planned configs, one checkpoint each. Throws `stale-plan` where the source is no longer as planned. */
export async function* applyConfigs(plan: ConfigPlan, ctx: Ctx, given: Given): AsyncGenerator<Checkpoint> {
  const work = plan.configs.filter(({ action }) => action !== 'none');
  ctx.emit({ type: 'total', stage: 'config', total: work.length, unit: plan.unit });
  const created = await createdBatches(ctx.undo);
  for (const [index, planned] of work.entries()) {
    ctx.signal.throwIfAborted();
    yield await applyOne(planned, ctx, { given: given(planned.source), created: created.get(moveKey(planned)) });
    ctx.emit({ type: 'progress', stage: 'config', done: index + 1, total: work.length });
  }
}

/** Deletes the source's configs where that is asked for, after comparing both ends once more. */
export async function* finalizeConfigs(plan: ConfigPlan, ctx: Ctx, given: Given): AsyncGenerator<Checkpoint> {
  if (!ctx.options.deleteSourceConfig) return;
  for (const planned of plan.configs) {
    ctx.signal.throwIfAborted();
    if (planned.action === 'none' || planned.action === 'conflict') continue;
    const source = await readSections(ctx, planned.source);
    if (source !== undefined) yield await deleteSource(planned, source, ctx, given(planned.source));
  }
}

async function applyOne(
  planned: PlannedConfig,
  ctx: Ctx,
  { given, created }: { readonly given: GivenFields; readonly created: BatchId | undefined },
): Promise<Checkpoint> {
  if (planned.action === 'conflict') return { batch: NO_BATCH, moved: 0, conflicts: 1 };
  const source = await readSections(ctx, planned.source);
  const target = await readSections(ctx, planned.target);
  const differing = differingSections(planned.sections, target);
  // After finalize the source is gone and the target holds what was planned.
  if (source === undefined && differing.length === 0) return { batch: created ?? NO_BATCH, moved: 0, skipped: 1 };
  if (source === undefined || !isAsPlanned(planned, source)) throw stalePlan(planned, 'source');
  if (target === undefined) {
    if (planned.action !== 'create') throw stalePlan(planned, 'target');
    return putSections(planned, ctx, { given, sections: source, kind: 'created' });
  }
  if (differing.length > 0) return conflict(planned, ctx, differing);
  // What this run created holds the real values. Equal masks of any other origin prove nothing.
  const names = created === undefined ? provable(planned.sections, given) : [];
  if (names.length > 0) return putSections(planned, ctx, { given, sections: only(source, names), kind: 're-put' });
  note(ctx, `Target config already there: ${planned.target}`);
  return { batch: created ?? NO_BATCH, moved: 0, skipped: 1 };
}

async function putSections(planned: PlannedConfig, ctx: Ctx, { given, sections, kind }: Put): Promise<Checkpoint> {
  const filled = fillSecrets(sections, ctx.profile.config.maskedMembers, given);
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
  note(ctx, kind === 'created' ? 'Target config created' : `Target config written once more: ${planned.target}`);
  return { batch, moved: 1 };
}

function conflict(planned: PlannedConfig, ctx: Ctx, names: readonly string[]): Checkpoint {
  const text = `${planned.target} has a config of its own that differs in ${names.join(', ')}`;
  if (ctx.options.onConflict === 'fail') {
    throw new MigrateError('conflict', text, { stage: 'config', next: 'keep it with --on-conflict skip' });
  }
  note(ctx, `${text}: left as it is`);
  return { batch: NO_BATCH, moved: 0, conflicts: 1 };
}

async function deleteSource(
  planned: PlannedConfig,
  source: Sections,
  ctx: Ctx,
  given: GivenFields,
): Promise<Checkpoint> {
  const { maskedMembers } = ctx.profile.config;
  const target = await readSections(ctx, planned.target);
  if (!isAsPlanned(planned, source)) throw changedMeanwhile(planned.source);
  if (!isAsPlanned(planned, target)) throw changedMeanwhile(planned.target);
  const unknown = unrestorable(source, maskedMembers, given);
  if (unknown.length > 0) {
    const text = `a deleted config could not be restored: ${unknown.join(', ')} would be unknown`;
    throw new MigrateError('refused', text, {
      stage: 'config',
      next: 'give the real values with --config-secrets <file>',
    });
  }
  await ctx.permit(1);
  const sections = replaceSecrets(source, maskedMembers, ({ value, masked }) => (masked ? value : maskOf(value)));
  const batch = await logEntry(ctx.undo, { kind: 'deleted', source: planned.source, target: planned.target, sections });
  const written = await deleteAsPlanned(planned.source, planned, ctx);
  if (written === 'changed') throw changedMeanwhile(planned.source);
  note(ctx, `Source config deleted: ${planned.source}`);
  // The record was counted when it was written to the target.
  return { batch, moved: 0 };
}

function only(sections: Sections, names: readonly string[]): Sections {
  return Object.fromEntries(Object.entries(sections).filter(([name]) => names.includes(name)));
}

function stalePlan(planned: PlannedConfig, end: 'source' | 'target'): MigrateError {
  const tenant = planned[end];
  return new MigrateError('stale-plan', `the config of ${tenant} is no longer as the plan found it`, {
    stage: 'config',
    next: `plan ${planned.source} ${planned.target} again`,
  });
}

function changedMeanwhile(tenant: string): MigrateError {
  return new MigrateError('conflict', `the config of ${tenant} was changed by somebody else during the run`, {
    stage: 'config',
    next: 'look at it, then type the same command again',
  });
}
