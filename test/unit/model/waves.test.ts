import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Move } from '../../../src/model/move.ts';
import { temporaryNames, type Waves, wavesOf, waveViews } from '../../../src/model/waves.ts';

const any = (): boolean => true;
const nameFor = (moves: readonly Move[]) => {
  const name = temporaryNames(moves, any);
  return (source: string) => name(source) ?? 'no name';
};
const ordered = (...pairs: readonly (readonly [string, string])[]): Waves => {
  const moves = pairs.map(([source, target]) => ({ source, target }));
  return wavesOf(moves, nameFor(moves));
};
const text = ({ waves }: Waves) =>
  waves.map((wave) => wave.map(({ source, target }) => `${source}>${target}`).join(' '));

/** Does a wave at once, as one scan does; throws where a scan would meet a record twice. */
function carryOut(data: ReadonlyMap<string, string>, wave: readonly Move[]): ReadonlyMap<string, string> {
  const ids = wave.flatMap(({ source, target }) => [source, target]);
  if (new Set(ids).size < ids.length) throw new Error(`an id stands twice in ${ids.join(' ')}`);
  const after = new Map(data);
  for (const { source, target } of wave) {
    if (data.has(target)) throw new Error(`${target} has data`);
    const held = data.get(source);
    after.delete(source);
    if (held !== undefined) after.set(target, held);
  }
  return after;
}

/** Lists in which no source and no target stands twice: chains and circles of all lengths. */
const lists = fc
  .tuple(fc.uniqueArray(fc.integer({ min: 0, max: 30 }), { minLength: 1 }), fc.infiniteStream(fc.nat(30)))
  .map(([sources, targets]) => {
    const free = new Set(Array.from({ length: 31 }, (_, index) => index));
    const moves: Move[] = [];
    for (const source of sources) {
      const drawn = targets.next().value ?? 0;
      const target = [...free].filter((id) => id !== source).sort((a, b) => ((a + drawn) % 31) - ((b + drawn) % 31))[0];
      if (target === undefined) continue;
      free.delete(target);
      moves.push({ source: `t${source}`, target: `t${target}` });
    }
    return moves;
  });

describe('waves', () => {
  it('a list without chains is one wave, in the order of the list', () => {
    expect(text(ordered(['b', 'x'], ['a', 'y']))).toEqual(['b>x a>y']);
  });

  it('a chain goes last first, a wave each; what has nothing to do with it goes along with the first', () => {
    expect(text(ordered(['a', 'b'], ['b', 'c'], ['c', 'd'], ['x', 'y']))).toEqual(['c>d x>y', 'b>c', 'a>b']);
  });

  it('of each circle one tenant goes through a temporary id, and many circles cost no more waves than one', () => {
    const { waves, temporary } = ordered(['a', 'b'], ['b', 'a'], ['c', 'd'], ['d', 'c']);
    expect(waves).toHaveLength(3);
    expect(temporary).toEqual([expect.stringMatching(/^a-swap-[0-9a-f]{8}$/), expect.stringMatching(/^c-swap-/)]);
    expect(waves[0]).toEqual(['a', 'c'].map((source, at) => ({ source, target: temporary[at] })));
  });

  it('several sources of one target go one after another, also into a chain and into a circle', () => {
    expect(text(ordered(['a', 'c'], ['b', 'c']))).toEqual(['a>c', 'b>c']);
    const { waves } = ordered(['a', 'b'], ['b', 'a'], ['x', 'a']);
    const at = (source: string) => waves.findIndex((wave) => wave.some((move) => move.source === source));
    expect(at('x')).toBeGreaterThan(at('a'));
    for (const wave of waves) expect(new Set(wave.map(({ target }) => target)).size).toBe(wave.length);
  });

  it('done in order they give what was asked for, and taken back from the last to the first what was before', () => {
    fc.assert(
      fc.property(lists, (moves) => {
        const result = wavesOf(moves, nameFor(moves));
        const sources = new Set(moves.map(({ source }) => source));
        // A target that is nobody's source has no data: else the run would be refused.
        const before = new Map([...sources].map((id) => [id, `data of ${id}`]));
        let data: ReadonlyMap<string, string> = before;
        for (const [index, wave] of result.waves.entries()) {
          for (const [at, { source }] of wave.entries()) {
            const held = data.get(source);
            expect(held).toBe(`data of ${waveViews(result)[index]?.carries[at]}`);
          }
          data = carryOut(data, wave);
        }
        expect(data).toEqual(new Map(moves.map(({ source, target }) => [target, `data of ${source}`])));
        for (const wave of [...result.waves].reverse()) {
          data = carryOut(
            data,
            wave.map(({ source, target }) => ({ source: target, target: source })),
          );
        }
        expect(data).toEqual(before);
      }),
      { numRuns: 500 },
    );
  });

  it('each wave knows which targets are emptied before it, and which sources others take over', () => {
    const result = ordered(['a', 'b'], ['b', 'a'], ['x', 'y']);
    const t = result.temporary[0] as string;
    expect(waveViews(result).map(({ emptied, leaving }) => [[...emptied], [...leaving]])).toEqual([
      [[], ['a']],
      [['a'], ['b']],
      [['b'], [t]],
    ]);
  });

  it('a temporary id is the same for the same list, may be refused a form, and fits into 255 bytes', () => {
    const moves = [
      { source: 'a', target: 'b' },
      { source: 'b', target: 'a' },
    ];
    expect(nameFor(moves)('a')).toBe(nameFor([...moves])('a'));
    expect(nameFor([...moves].reverse())('a')).not.toBe(nameFor(moves)('a'));
    expect(temporaryNames(moves, (id) => !id.includes('-'))('a')).toMatch(/^a_swap_[0-9a-f]{8}$/);
    expect(temporaryNames(moves, () => false)('a')).toBeUndefined();
    const long = 'é'.repeat(127);
    expect(temporaryNames(moves, any)(long)).toMatch(/^swap-[0-9a-f]{8}-[0-9a-f]{8}$/);
  });
});
