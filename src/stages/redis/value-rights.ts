import { fromText } from '../../model/byte-string.ts';
import { claimedPrefix, parseKeyTemplate } from '../../model/key-template.ts';
import type { Move } from '../../model/move.ts';
import type { RedisServer } from '../../stores/redis/redis-server.ts';
import type { RedisReader, RedisWriter } from '../../stores/redis/redis-store.ts';
import type { PlanContext, Problem } from '../stage.ts';
import { refusalOf } from './refusal-of.ts';

const FIX =
  'give the user the rights for values (MIGRATION.md, "Rights"), or leave the values as they are with --keep-values';

interface Asked {
  readonly server: RedisServer;
  readonly probe: RedisWriter | undefined;
}

/**
 * Whether the values that name their tenant could be read and set, on each master of a cluster. Setting is asked for, and
 * in a real run tried on absent keys.
 */
export async function deniedToRewrite(
  moves: readonly Move[],
  ctx: PlanContext<RedisReader>,
  { server, probe }: Asked,
): Promise<Problem | undefined> {
  const all = valueKeys(moves, ctx);
  if (all.length === 0) return undefined;
  const keys = all.filter(({ absent }) => absent).map(({ key }) => key);
  const { address } = ctx.store;
  const problem = (code: string, what: string, fix = FIX): Problem => {
    return { stage: 'redis', code, message: `Redis at ${address} ${what}`, fix };
  };
  if (server.product === 'redis' && Number.parseInt(server.version, 10) < 6) {
    return problem(
      'unsupported',
      `is version ${server.version}, which cannot set a value that keeps its expiry`,
      '--keep-values',
    );
  }
  const read = await refusalOf(ctx.store.texts(keys, () => undefined));
  if (read !== undefined) return problem('denied', `does not let this user read values that name the tenant: ${read}`);
  // What is tried need not be asked for.
  const untried = probe === undefined ? all : all.filter(({ absent }) => !absent);
  const asked = await ctx.store.refusals(untried.map(({ key }) => ['SET', key, '']));
  const refused = asked.find((text) => text !== undefined) ?? (probe && (await triedSetting(keys, probe)));
  if (refused === undefined) return undefined;
  return problem(
    'denied',
    `does not let this user rewrite values that name the tenant (EVAL, or WATCH, MULTI, SET, EXEC): ${refused}`,
  );
}

async function triedSetting(keys: readonly string[], probe: RedisWriter): Promise<string | undefined> {
  if (keys.length === 0) return undefined;
  const [hash, was, token] = ['', Buffer.alloc(0), Buffer.alloc(0)];
  const items = keys.map((key) => ({ key, hash, start: 0, end: 0, was, token }));
  const refusals = [refusalOf(probe.replaceTokens(items)), ...keys.map((key) => probe.refusedSet(key))];
  return (await Promise.all(refusals)).find((text) => text !== undefined);
}

/** Targets' keys of each template whose values name their tenant: absent ones, or the one that a closed template has. */
function valueKeys(
  moves: readonly Move[],
  { profile, clock, options, store }: PlanContext<RedisReader>,
): readonly { readonly key: string; readonly absent: boolean }[] {
  const random = `tenant-migrate-absent-${clock.now().toString(36)}-${options.seed}`;
  return (profile.values ?? [])
    .filter(({ template }) => profile.keyTemplates.includes(template))
    .map(({ template }) => parseKeyTemplate(template))
    .flatMap((template) =>
      moves.flatMap(({ target }) => {
        const prefix = claimedPrefix(template, fromText(target));
        const rests = template.open ? store.tags.map((tag) => random + tag) : [''];
        return rests.map((rest) => ({ key: prefix + rest, absent: template.open }));
      }),
    );
}
