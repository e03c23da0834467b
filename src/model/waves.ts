import { digest } from './fingerprint.ts';
import { MAX_TENANT_ID_BYTES, type Move } from './move.ts';

/** A list of moves in an order in which they can be made. */
export interface Waves {
  /** Made one after another; the moves of one wave at the same time. */
  readonly waves: readonly (readonly Move[])[];
  /** Ids that nobody has before or after: each takes one tenant of a circle out of the others' way. */
  readonly temporary: readonly string[];
}

/**
 * Orders moves so that no id stands in two moves of one wave: a scan would see renamed records again. Chains go last
 * first (B → C before A → B); of a circle one tenant goes through a temporary id, which `temporaryFor` names. Done one
 * after another, the waves give exactly what was asked for, and taken back from the last to the first what was before.
 * No source may stand twice.
 */
export function wavesOf(moves: readonly Move[], temporaryFor: (source: string) => string): Waves {
  const { straight, temporary } = withoutCircles(moves, temporaryFor);
  const bySource = new Map(straight.map((move) => [move.source, move]));
  // A temporary id is free from the start: what leaves it comes later by itself.
  const leavesFirst = ({ target }: Move) => (temporary.includes(target) ? undefined : bySource.get(target));
  const levels = new Map<Move, number>();
  const waves: Move[][] = [];
  const targets: Set<string>[] = [];
  for (const move of straight) {
    // Those that must have left before, the last of the chain first.
    const chain: Move[] = [];
    for (let next: Move | undefined = move; next !== undefined && !levels.has(next); next = leavesFirst(next)) {
      chain.push(next);
    }
    for (const each of chain.reverse()) {
      const before = leavesFirst(each);
      let wave = before === undefined ? 0 : (levels.get(before) ?? 0) + 1;
      // Into one target only one after another.
      while (targets[wave]?.has(each.target)) wave += 1;
      levels.set(each, wave);
      waves[wave] ??= [];
      waves[wave]?.push(each);
      targets[wave] = (targets[wave] ?? new Set()).add(each.target);
    }
  }
  const position = new Map(straight.map((move, index) => [move, index]));
  const inOrder = (a: Move, b: Move) => (position.get(a) ?? 0) - (position.get(b) ?? 0);
  return { waves: waves.map((wave) => wave.sort(inOrder)), temporary };
}

/** The same moves with one tenant of each circle taken out through a temporary id: A → B, B → A: A → t, B → A, t → B. */
function withoutCircles(
  moves: readonly Move[],
  temporaryFor: (source: string) => string,
): { readonly straight: readonly Move[]; readonly temporary: readonly string[] } {
  const bySource = new Map(moves.map((move) => [move.source, move]));
  const walked = new Map<Move, Move>();
  const cut = new Map<Move, string>();
  for (const first of moves) {
    let move: Move | undefined = first;
    while (move !== undefined && !walked.has(move)) {
      walked.set(move, first);
      const next: Move | undefined = bySource.get(move.target);
      // Back on the way that was just gone: the circle is closed by this move.
      if (next !== undefined && walked.get(next) === first) cut.set(next, temporaryFor(next.source));
      move = next;
    }
  }
  const straight = moves.flatMap((move): Move[] => {
    const temporary = cut.get(move);
    if (temporary === undefined) return [move];
    return [
      { source: move.source, target: temporary },
      { source: temporary, target: move.target },
    ];
  });
  return { straight, temporary: [...cut.values()] };
}

/**
 * Names temporary ids for circles, always the same for the same list: one that holds data already is what an earlier run
 * of this list has left there, and must not be passed by under another name. `isFree`: may this be an id that `source`
 * moves to? Undefined where no name may.
 */
export function temporaryNames(
  moves: readonly Move[],
  isFree: (id: string, source: string) => boolean,
): (source: string) => string | undefined {
  const list = digest(moves.map(({ source, target }) => `${source}\0${target}`).join('\0\0')).slice(0, 8);
  const taken = new Set(moves.flatMap(({ source, target }) => [source, target]));
  return (source) => {
    const own = digest(`${list}\0${source}`).slice(0, 8);
    const names = [`${source}-swap-${list}`, `${source}_swap_${list}`, `swap-${list}-${own}`, `swap${list}${own}`];
    return names.find(
      (name) => Buffer.byteLength(name) <= MAX_TENANT_ID_BYTES && !taken.has(name) && isFree(name, source),
    );
  };
}

/** One wave as the whole list sees it. */
export interface WaveView {
  readonly moves: readonly Move[];
  /** For each move, the tenant of the list whose data it carries. */
  readonly carries: readonly string[];
  /** Targets whose own data has left in an earlier wave. */
  readonly emptied: ReadonlySet<string>;
  /** Sources that another tenant takes over in a later wave, and temporary ids: nothing of theirs may stay. */
  readonly leaving: ReadonlySet<string>;
}

/** What stands where before each wave. */
export function waveViews({ waves, temporary }: Waves): readonly WaveView[] {
  const holds = new Map<string, string>();
  const gone = new Set<string>();
  return waves.map((moves, index) => {
    const later = new Set(waves.slice(index + 1).flatMap((wave) => wave.map(({ target }) => target)));
    const carries = moves.map(({ source }) => holds.get(source) ?? source);
    const emptied = new Set(moves.map(({ target }) => target).filter((target) => gone.has(target)));
    const leaving = new Set(
      moves.map(({ source }) => source).filter((source) => later.has(source) || temporary.includes(source)),
    );
    for (const [at, { source, target }] of moves.entries()) {
      holds.delete(source);
      gone.add(source);
      holds.set(target, carries[at] ?? source);
    }
    return { moves, carries, emptied, leaving };
  });
}
