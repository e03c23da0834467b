import type { Json } from '../model/json.ts';
import type { StagePlan } from '../stages/stage.ts';

const PRODUCTS = { config: 'config API', redis: 'Redis', qdrant: 'Qdrant', graph: 'graph' } as const;

/** Product and version of a stage's server, as the plan saw them; undefined where it does not say. */
export function serverText(plan: StagePlan): string | undefined {
  const own = 'server' in plan ? textOf((plan as { server: Json }).server, plan) : undefined;
  return own ?? textOf(plan.basis, plan);
}

function textOf(value: Json | undefined, plan: StagePlan): string | undefined {
  // Several databases of one server.
  if (Array.isArray(value)) return textOf(memberOf(value[0], 'of'), plan);
  const version = memberOf(value, 'version');
  if (typeof version !== 'string' || version === '') return undefined;
  const product = [memberOf(value, 'product'), memberOf(value, 'dialect')].find((name) => typeof name === 'string');
  return `${capital(String(product ?? PRODUCTS[plan.stage]))} ${version}`;
}

function memberOf(value: Json | undefined, name: string): Json | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return (value as Record<string, Json>)[name];
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
