import { digest } from '../../model/fingerprint.ts';
import { canonicalJson } from '../../model/json.ts';
import type { Sections } from '../../model/secret-mask.ts';
import type { ConfigWriter } from '../../stores/config-api/config-api.ts';
import type { ApplyContext, BatchId, Checkpoint } from '../stage.ts';
import { changedMeanwhile, stalePlan } from './changed.ts';
import { differingSections, isAsPlanned, type PlannedConfig, toRePut } from './config-plan.ts';
import { fillSecrets, type MoveSecrets, realFields, type SecretsOf } from './config-secrets.ts';
import { keepSections, openSecrets, restoreSections } from './kept-sections.ts';
import { leftChanged, note, pickSections, readSections, refresh } from './record.ts';
import type { OverwrittenEntry, SectionDigests, UndoEntry } from './undo-log.ts';

type Ctx = ApplyContext<ConfigWriter>;

interface Ends {
  readonly source: Sections;
  readonly target: Sections;
  readonly secrets: MoveSecrets;
}

/**
 * Writes the source's sections over those in which the target differs, once the undo log holds the target's. A section
 * that only the target has becomes null. Throws `stale-plan` where the target is no longer as the plan found it.
 */
export async function overwriteTarget(planned: PlannedConfig, ctx: Ctx, ends: Ends): Promise<Checkpoint> {
  const { source, target, secrets } = ends;
  if (differingSections(planned.replaced ?? [], target).length > 0) throw stalePlan(planned, 'target');
  const { maskedMembers } = ctx.profile.config;
  const differing = differingSections(planned.sections, target);
  // Equal masks prove nothing: what is given is written once more, in the same request.
  const unproven = toRePut(planned.sections, secrets).filter((name) => !differing.includes(name));
  const filled = fillSecrets(only(source, [...differing, ...unproven]), maskedMembers, realFields(secrets.source));
  const move = { source: planned.source, target: planned.target };
  const kept = keepSections(only(target, differing), maskedMembers, secrets.target);
  const entry: OverwrittenEntry = {
    kind: 'overwritten',
    ...move,
    ...kept,
    was: digestsOf(target, differing),
    wrote: digestsOf(source, differing),
  };
  const more: UndoEntry[] = unproven.length === 0 ? [] : [{ kind: 're-put', ...move, sections: unproven }];
  await ctx.permit(1);
  const batch = await ctx.undo.append([entry, ...more]);
  const written = await ctx.store.put({
    tenant: planned.target,
    ...filled,
    judge: (found) => {
      const now = found === undefined ? undefined : pickSections(found, ctx.profile);
      if (now === undefined) return 'changed';
      if (isAsPlanned(planned, now)) return 'done';
      return holds(now, entry.was) ? 'again' : 'changed';
    },
  });
  if (written === 'changed') throw changedMeanwhile(planned.target);
  await refresh(planned.target, ctx);
  note(ctx, `Target config overwritten: ${planned.target} (${differing.join(', ')})`);
  return { batch, moved: 1 };
}

/** Puts back what was overwritten, as long as it stands as it was written. */
export async function restoreTarget(
  entry: OverwrittenEntry,
  ctx: Ctx,
  { batch, secretsOf }: { readonly batch: BatchId; readonly secretsOf: SecretsOf },
): Promise<Checkpoint> {
  const target = await readSections(ctx, entry.target);
  if (target === undefined) return leftChanged(entry.target, ctx, batch);
  if (holds(target, entry.was)) return { batch, moved: 0, skipped: 1 };
  if (!holds(target, entry.wrote)) return leftChanged(entry.target, ctx, batch);
  if ((await readSections(ctx, entry.source)) === undefined) {
    // Somebody deleted the source's: what we wrote is the last copy.
    note(ctx, `The config of ${entry.source} is gone, so the one of ${entry.target} is left as it is`);
    return { batch, moved: 0, conflicts: 1 };
  }
  // Not by the record of the target, which now holds what was written over it.
  const { target: known } = await secretsOf(entry, {});
  const filled = restoreSections(entry.sections, ctx.profile.config.maskedMembers, openSecrets(entry, known));
  await ctx.permit(1);
  const written = await ctx.store.put({
    tenant: entry.target,
    ...filled,
    judge: (found) => {
      const now = found === undefined ? undefined : pickSections(found, ctx.profile);
      if (now === undefined) return 'changed';
      if (holds(now, entry.was)) return 'done';
      return holds(now, entry.wrote) ? 'again' : 'changed';
    },
  });
  if (written === 'changed') return leftChanged(entry.target, ctx, batch);
  await refresh(entry.target, ctx);
  note(ctx, `Target config restored: ${entry.target}`);
  return { batch, moved: 1 };
}

/** The named sections; null for one that is not there, which a PUT takes as its removal. */
function only(sections: Sections, names: readonly string[]): Sections {
  return Object.fromEntries(names.map((name) => [name, sections[name] ?? null]));
}

function digestsOf(sections: Sections, names: readonly string[]): SectionDigests {
  return Object.fromEntries(names.map((name) => [name, digestOf(sections[name])]));
}

function holds(sections: Sections, digests: SectionDigests): boolean {
  return Object.entries(digests).every(([name, wanted]) => digestOf(sections[name]) === wanted);
}

function digestOf(section: Sections[string] | undefined): string | null {
  return section === undefined || section === null ? null : digest(canonicalJson(section));
}
