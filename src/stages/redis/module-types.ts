import type { Finding } from '../stage.ts';
import type { KeySample } from './redis-plan.ts';

const BUILT_IN: ReadonlySet<string> = new Set(['string', 'list', 'hash', 'set', 'zset', 'stream']);

/** What the plan does with keys whose type a module made, as far as its samples show any. */
export function moduleTypeNotices(samples: readonly KeySample[]): readonly Finding[] {
  const types = [...new Set(samples.map(({ type }) => type).filter((type) => !BUILT_IN.has(type)))].sort();
  return types.map((type): Finding => {
    const count = samples.filter((sample) => sample.type === type).length;
    const message = `keys of the module type ${type} (${count} among those sampled) are renamed like all others, and compared by their DUMP`;
    return { stage: 'redis', kind: 'module-type', severity: 'notice', message, where: type, count };
  });
}
