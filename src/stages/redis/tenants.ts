import { printable } from '../../model/byte-string.ts';
import { parseKeyTemplate } from '../../model/key-template.ts';
import type { RedisReader } from '../../stores/redis/redis-store.ts';
import type { PlanContext } from '../stage.ts';
import { scanCount } from './plan.ts';

/** Keys looked at: enough to meet every tenant of some size, soon done also in a large server. */
const MOST_KEYS = 200_000;
const MOST_TENANTS = 1_000;

/** Ids that the most specific template reads out of the first keys of the server. Unknown ids hold no `:`. */
export async function redisTenants(ctx: PlanContext<RedisReader>): Promise<readonly string[]> {
  const templates = ctx.profile.keyTemplates.map(parseKeyTemplate).sort((a, b) => b.text.length - a.text.length);
  const tenants = new Set<string>();
  let looked = 0;
  for await (const page of ctx.store.scan(scanCount(await ctx.store.roundTripMs()))) {
    ctx.signal.throwIfAborted();
    for (const key of page) {
      const template = templates.find(
        ({ prefix, suffix }) => key.startsWith(prefix) && key.includes(suffix, prefix.length + 1),
      );
      if (template === undefined) continue;
      const id = key.slice(template.prefix.length, key.indexOf(template.suffix, template.prefix.length + 1));
      if (id !== '' && !id.includes(':')) tenants.add(printable(id));
    }
    looked += page.length;
    if (looked >= MOST_KEYS || tenants.size >= MOST_TENANTS) break;
  }
  return [...tenants];
}
