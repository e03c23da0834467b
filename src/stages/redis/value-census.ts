import { amount } from '../../model/amount.ts';
import { type ByteString, printable } from '../../model/byte-string.ts';
import { grouped } from '../../model/grouped.ts';
import { fieldToken, withToken } from '../../model/text-token.ts';
import type { RedisReader } from '../../stores/redis/redis-store.ts';
import type { Finding, PlanContext } from '../stage.ts';
import { mentions } from './mentions.ts';
import type { ValueCount } from './redis-plan.ts';
import { contentSampleSize } from './sample-size.ts';
import type { ValueRule, ValueRules } from './value-rules.ts';

const MENTION_SAMPLES = 50;
const MOST_LISTED = 20;
const MOST_NAMED = 10;
const CHUNK = 500;

/** Keys of one template of one move, with a sample of them. */
interface Shape {
  readonly from: string;
  readonly source: string;
  /** Where the values of its keys name their tenant. */
  readonly rule: ValueRule | undefined;
  readonly count: number;
  readonly keys: readonly ByteString[];
}

interface Seen {
  naming: number;
  /** Keys of a sample whose values will be rewritten. */
  readonly named?: Set<ByteString>;
  readonly odd: Map<string, ByteString[]>;
}

/**
 * What the values say about their tenant: how many will be rewritten, by shape; what stands under the target's name and
 * names the source, counted exactly; and what else mentions the source, sampled.
 */
export class ValueCensus {
  readonly #ctx: PlanContext<RedisReader>;
  readonly #rules: ValueRules;
  readonly #standing: Seen = { naming: 0, odd: new Map() };
  #pending: ByteString[] = [];

  constructor(ctx: PlanContext<RedisReader>, rules: ValueRules) {
    this.#ctx = ctx;
    this.#rules = rules;
  }

  /** A key under the target's name whose value names its tenant. */
  addStanding(key: ByteString): void {
    this.#pending.push(key);
  }

  /** Reads what was gathered, where it is enough for a request, or all that is left. */
  async read(all = false): Promise<void> {
    while (this.#pending.length >= (all ? 1 : CHUNK)) {
      await this.#look(this.#pending.splice(0, CHUNK), this.#standing);
    }
  }

  /** Values under the target's name that name the source. */
  get standing(): number {
    return this.#standing.naming;
  }

  /** What apply will rewrite, and what it will leave though it mentions the source. */
  async count(
    shapes: readonly Shape[],
  ): Promise<{ readonly counts: readonly ValueCount[]; readonly notices: readonly Finding[] }> {
    const counts: ValueCount[] = [];
    const notices: Finding[] = [];
    const named = new Set<ByteString>();
    for (const shape of shapes) {
      if (shape.rule === undefined) continue;
      const seen: Seen = { naming: 0, named, odd: new Map() };
      await this.#look(shape.keys, seen);
      const counted = countOf(shape, seen);
      counts.push(counted);
      if (counted.count > 0) notices.push(rewriteNotice(shape, counted));
      notices.push(...oddNotices(shape.from, seen));
    }
    if (this.standing > 0) notices.push(standingNotice(this.standing));
    notices.push(...oddNotices('the target', this.#standing), ...(await this.#mentions(shapes, named)));
    return { counts, notices };
  }

  async #look(keys: readonly ByteString[], seen: Seen): Promise<void> {
    await this.#ctx.store.texts(keys, (text, key) => {
      const rule = this.#rules.of(key);
      if (rule === undefined) return;
      const found = fieldToken(text, rule.path);
      if (found.kind === 'text' && found.value === rule.source) {
        seen.naming += 1;
        seen.named?.add(key);
      }
      const odd = oddity(text, found, rule);
      if (odd !== undefined) seen.odd.set(odd, [...(seen.odd.get(odd) ?? []), key].slice(0, MOST_NAMED));
    });
  }

  async #mentions(shapes: readonly Shape[], named: ReadonlySet<ByteString>): Promise<readonly Finding[]> {
    if (this.#ctx.options.verify === 'counts') return [];
    // What is read of them is in memory together: of a list of tenants about as much as of one.
    const size = Math.min(MENTION_SAMPLES, contentSampleSize(new Set(shapes.map(({ source }) => source)).size));
    const picked = shapes.map(({ keys }) => keys.slice(0, size));
    const glimpses = await this.#ctx.store.glimpses(picked.flat());
    let at = 0;
    const notices: Finding[] = [];
    for (const [index, shape] of shapes.entries()) {
      const keys = picked[index] ?? [];
      const found = keys.filter((key, position) => {
        const parts = glimpses[at + position] ?? [];
        return named.has(key) ? mentionsElsewhere(parts, shape) : mentions(parts, shape.source);
      });
      at += keys.length;
      if (found.length > 0) notices.push(mentionNotice(shape, keys.length, found));
    }
    return notices.slice(0, MOST_LISTED);
  }
}

/** Why a value that may name the source is left alone. */
export function oddity(text: Buffer, found: ReturnType<typeof fieldToken>, { source }: ValueRule): string | undefined {
  if (found.kind === 'scalar') return found.text === source ? 'the field is no string' : undefined;
  return found.kind === 'odd' && mentions([text], source) ? found.why : undefined;
}

function countOf({ from, rule, count, keys }: Shape, { naming }: Seen): ValueCount {
  const exact = count <= keys.length;
  const about = exact ? naming : Math.round((naming / Math.max(1, keys.length)) * count);
  return { shape: from, field: (rule?.path ?? []).join('/'), count: about, exact };
}

/** Beside the field that will be rewritten. */
function mentionsElsewhere(parts: readonly Buffer[], { source, rule }: Shape): boolean {
  const [text] = parts;
  const found = rule === undefined || text === undefined ? undefined : fieldToken(text, rule.path);
  if (text === undefined || found?.kind !== 'text' || found.value !== source) return mentions(parts, source);
  return mentions([withToken(text, found, Buffer.from('""'))], source);
}

function rewriteNotice({ from, source }: Shape, { field, count, exact }: ValueCount): Finding {
  const message = `${exact ? '' : 'about '}${amount(count, 'values')} of '${from}' with ${source} in ${field}: rewritten after the rename`;
  return { stage: 'redis', kind: 'values', severity: 'notice', message, where: from, count };
}

function standingNotice(count: number): Finding {
  const message = `${grouped(count)} values under the target's name still name the source: they will be rewritten, too`;
  return { stage: 'redis', kind: 'values', severity: 'notice', message, count };
}

/** Values that could name the source, and that nobody can rewrite without doubt. */
export function oddNotices(where: string, { odd }: Pick<Seen, 'odd'>): readonly Finding[] {
  return [...odd].map(([why, keys]) => ({
    stage: 'redis',
    kind: 'value-left',
    severity: 'notice',
    message: `values of '${where}' mention the source and are not rewritten: ${why}`,
    where,
    samples: keys.map(printable),
    fix: 'correct them by hand',
  }));
}

function mentionNotice({ from, source, count }: Shape, looked: number, found: readonly ByteString[]): Finding {
  const exact = count <= looked;
  const about = exact ? found.length : Math.round((found.length / looked) * count);
  const message = `${exact ? '' : 'about '}${amount(about, 'values')} of '${from}' with ${source} elsewhere${exact ? '' : ` (${grouped(found.length)} of ${looked} that were looked at)`}: not touched`;
  const samples = found.slice(0, MOST_NAMED).map(printable);
  return { stage: 'redis', kind: 'mentions', severity: 'notice', message, where: from, count: about, samples };
}
