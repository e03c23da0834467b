import type { Check } from '../report/doctor-report.ts';
import { check } from './common-checks.ts';

/** What the API answered for one tenant. */
export interface ConfigAnswer {
  readonly tenant: string;
  /** That id was made up, since none was given. */
  readonly invented: boolean;
  /** Undefined where the API says in its own words that there is no such tenant. */
  readonly found: { readonly masked: number; readonly secrets: number } | undefined;
}

/** The path template reaches the config API, and what it shows of secrets. */
export function configChecks({ tenant, invented, found }: ConfigAnswer): readonly Check[] {
  const path = check(
    'config',
    'path',
    'ok',
    found === undefined
      ? `answers as for a tenant without config${invented ? '' : ` (${tenant})`}`
      : `gives the config of ${tenant} as JSON`,
  );
  if (found === undefined) return [path];
  if (found.masked === 0)
    return [path, check('config', 'secrets', 'ok', found.secrets === 0 ? 'it holds none' : 'shown in full')];
  const text = `${found.masked} of ${found.secrets} are masked: a mask is never written back`;
  const fix =
    'the move takes them from the application’s own record in Redis where it proves them, else from --config-secrets; or --skip-config';
  return [path, check('config', 'secrets', 'warning', text, fix)];
}
