import { fromText } from '../../model/byte-string.ts';
import { claimedPrefix, parseKeyTemplate } from '../../model/key-template.ts';
import type { Move } from '../../model/move.ts';
import type { RedisReader, RenamePair } from '../../stores/redis/redis-store.ts';
import type { PlanContext } from '../stage.ts';
import { claimedShape } from './shapes.ts';

/** A name that a move would give, by which the right to do that is tried. */
export interface ProbePair extends RenamePair {
  /** `task:siraya:…` and `task:tenant_7:…`, for people. */
  readonly shapes: { readonly from: string; readonly to: string };
  /** Whether neither name is anybody's key. A template without `*` has one key, which may be there. */
  readonly absent: boolean;
}

/** For each move one of each template, and of an open one for each master: keys that do not exist, but for `absent`. */
export function probePairs(moves: readonly Move[], ctx: PlanContext<RedisReader>): readonly ProbePair[] {
  const random = `tenant-migrate-absent-${ctx.clock.now().toString(36)}-${ctx.options.seed}`;
  // In a cluster one that is renamed and one that is copied.
  const rests = ctx.store.tags.flatMap((tag, index) => (tag === '' ? [random] : [random + tag, `${random}-${index}`]));
  const templates = ctx.profile.keyTemplates.map(parseKeyTemplate);
  return moves.flatMap(({ source, target }) =>
    templates.flatMap((template) =>
      (template.open ? rests : ['']).map((rest) => ({
        from: claimedPrefix(template, fromText(source)) + rest,
        to: claimedPrefix(template, fromText(target)) + rest,
        shapes: { from: claimedShape(template, source), to: claimedShape(template, target) },
        absent: template.open,
      })),
    ),
  );
}

/** The same in the other direction, which a rollback takes. */
export function backwards(pairs: readonly ProbePair[]): readonly ProbePair[] {
  return pairs.map(({ from, to, shapes, absent }) => {
    return { from: to, to: from, shapes: { from: shapes.to, to: shapes.from }, absent };
  });
}
