import type { Move } from '../../model/move.ts';
import type { ConfigReader } from '../../stores/config-api/config-api.ts';
import type { Finding, PlanContext, VerifyPhase } from '../stage.ts';
import { type ConfigPlan, deletesSource, describeSections, differingSections } from './config-plan.ts';
import { realFields, type SecretsOf } from './config-secrets.ts';
import { readSections } from './record.ts';
import { provenDifferent } from './recorded-secrets.ts';

/**
 * Reads both ends of every planned move anew and names what is not as promised. Secrets are compared as masks, and by their
 * real values where the application's records can be read.
 */
export async function verifyConfigs(
  plan: ConfigPlan,
  { phase, secretsOf }: { readonly phase: VerifyPhase; readonly secretsOf: SecretsOf },
  ctx: PlanContext<ConfigReader>,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const counted = { source: 0, target: 0 };
  let hasCountedAll = true;
  for (const planned of plan.configs) {
    if (planned.action === 'conflict' && ctx.options.onConflict === 'skip') {
      hasCountedAll = false;
      continue;
    }
    const source = await readSections(ctx, planned.source);
    const where = ctx.store.pathOf(planned.target);
    counted.source += source === undefined ? 0 : 1;
    if (planned.action === 'none') {
      hasCountedAll = false;
      // It came after the plan was made, so that no apply of this plan will move it.
      if (Object.keys(source ?? {}).length > 0) findings.push(leftBehind(planned, ctx));
      continue;
    }
    if (phase === 'finalized' && deletesSource(planned, ctx.options) && source !== undefined) {
      findings.push(leftBehind(planned, ctx));
    }
    const target = await readSections(ctx, planned.target);
    if (target === undefined) {
      findings.push(difference('missing', `${planned.target} has no config`, where));
      continue;
    }
    counted.target += 1;
    const wanted = source === undefined ? planned.sections : describeSections(source, ctx.profile.config.maskedMembers);
    const names = differingSections(wanted, target);
    if (names.length > 0) {
      const message = `the config of ${planned.target} differs from ${planned.source}'s in ${names.join(', ')}`;
      findings.push({ ...difference('content', message, where), samples: names });
    }
    const secrets = await secretsOf(planned, { source, target });
    const wrong = provenDifferent(realFields(secrets.source), secrets.target.recorded);
    if (wrong.length > 0) {
      const message = `the application has other values of ${wrong.join(', ')} for ${planned.target} than for ${planned.source}`;
      findings.push({ ...difference('content', message, where), samples: wrong });
    }
  }
  if (hasCountedAll) ctx.emit({ type: 'counted', stage: 'config', ...counted });
  return findings;
}

function leftBehind(planned: Move, ctx: PlanContext<ConfigReader>): Finding {
  return difference('left-behind', `${planned.source} has a config`, ctx.store.pathOf(planned.source));
}

function difference(kind: string, message: string, where: string): Finding {
  return { stage: 'config', kind, severity: 'difference', message, where, count: 1 };
}
