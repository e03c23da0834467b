import { MigrateError } from '../../model/errors.ts';
import type { Move } from '../../model/move.ts';
import type { Sections } from '../../model/secret-mask.ts';
import type { Profile } from '../../profiles/profile.ts';
import type { ConfigBody, ConfigReader, ConfigWriter } from '../../stores/config-api/config-api.ts';
import type { BatchId, Checkpoint, PlanContext } from '../stage.ts';
import { isAsPlanned, type PlannedConfig } from './config-plan.ts';

/** The tenant's sections, or undefined where it has no config. Throws where the reply is no config. */
export async function readSections(
  { store, profile, signal }: Pick<PlanContext<ConfigReader>, 'store' | 'profile' | 'signal'>,
  tenant: string,
): Promise<Sections | undefined> {
  const body = await store.get(tenant, signal);
  if (body === undefined) return undefined;
  if (body.tenant_id !== tenant && !profile.config.sections.some((name) => Object.hasOwn(body, name))) {
    throw new MigrateError('store', `${store.pathOf(tenant)} answers with JSON that is not a tenant's config`, {
      stage: 'config',
      next: "check --api-url and the config API's path, or leave the config out with --skip-config",
    });
  }
  return pickSections(body, profile);
}

/**
 * The part of a record that PUT takes. An absent section and a null are the same; every other member of the record is
 * the API's own.
 */
export function pickSections(body: ConfigBody, profile: Profile): Sections {
  return Object.fromEntries(
    profile.config.sections
      .map((name) => [name, Object.hasOwn(body, name) ? (body[name] ?? null) : null] as const)
      .filter(([, section]) => section !== null),
  );
}

/** Deletes one end's config as long as it is as planned. */
export function deleteAsPlanned(
  tenant: string,
  planned: PlannedConfig,
  ctx: PlanContext<ConfigWriter>,
): ReturnType<ConfigWriter['delete']> {
  return ctx.store.delete({
    tenant,
    judge: (found) => {
      if (found === undefined) return 'done';
      return isAsPlanned(planned, pickSections(found, ctx.profile)) ? 'again' : 'changed';
    },
  });
}

/** Has the server read the tenant's config anew; a server without such an endpoint keeps no cache that it could clear. */
export async function refresh(tenant: string, ctx: Pick<PlanContext<ConfigWriter>, 'store' | 'emit'>): Promise<void> {
  if ((await ctx.store.refresh(tenant)) === 'done') return;
  note(ctx, `The config API has no way to refresh ${tenant}: where it keeps a cache, restart it`);
}

/**
 * Has the server read both ends anew: where a run ended between a write and its refresh, the server would still show what
 * was there before, and what was written would be taken for never done.
 */
export async function lookBehindCache(
  { source, target }: Move,
  { store }: Pick<PlanContext<ConfigWriter>, 'store'>,
): Promise<void> {
  for (const tenant of [source, target]) await store.refresh(tenant);
}

/** Notes and counts a config that undo does not touch. */
export function leftChanged(tenant: string, ctx: Pick<PlanContext<unknown>, 'emit'>, batch: BatchId): Checkpoint {
  note(ctx, `The config of ${tenant} was changed since and is left as it is`);
  return { batch, moved: 0, conflicts: 1 };
}

/** Tells the operator one line. */
export function note(ctx: Pick<PlanContext<unknown>, 'emit'>, text: string): void {
  ctx.emit({ type: 'note', stage: 'config', text });
}
