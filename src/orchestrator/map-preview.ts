import { digest } from '../model/fingerprint.ts';
import { parseKeyTemplate, templateProblem } from '../model/key-template.ts';
import { type Move, moveText } from '../model/move.ts';
import { plainName } from '../model/name-after.ts';
import { type Waves, waveViews } from '../model/waves.ts';
import type { Profile } from '../profiles/profile.ts';
import type { RunPlan, RunReport } from '../report/report.ts';
import type { Problem } from '../stages/stage.ts';

/**
 * A list as one pass can look at it: no id stands twice. Where an earlier wave empties a target, an id that nobody has
 * takes its place, so that what stands there now is no obstacle; what is said with that id is said of the target again.
 */
export interface Disguise {
  readonly moves: readonly Move[];
  /** Puts the real ids into all texts of a value. */
  reveal<T>(value: T): T;
}

/** For looking at what the waves would do: every source as it is, and that nobody has the temporary ids. */
export function disguiseForPlan(moves: readonly Move[], waves: Waves): Disguise {
  const stands = standIns(moves);
  const emptied = new Set(waveViews(waves).flatMap((view) => [...view.emptied]));
  const seen = new Set<string>();
  const looked = moves.map(({ source, target }) => {
    const free = !emptied.has(target) && !seen.has(target);
    seen.add(target);
    return { source, target: free ? target : stands.of(target) };
  });
  const temporary = waves.temporary.map((target) => ({ source: stands.of(target), target }));
  return { moves: [...looked, ...temporary], reveal: stands.reveal };
}

/** For looking at what the waves have done: a source that another tenant has taken over is no longer a source. */
export function disguiseForVerify(moves: readonly Move[]): Disguise {
  const stands = standIns(moves);
  const targets = new Set(moves.map(({ target }) => target));
  const seen = new Set<string>();
  const looked = moves.map(({ source, target }) => {
    const again = seen.has(target);
    seen.add(target);
    return { source: targets.has(source) ? stands.of(source) : source, target: again ? stands.of(target) : target };
  });
  return { moves: looked, reveal: stands.reveal };
}

/** Each row with what stands under its ids at all: the disguise counts an id that stands in two moves in one of them. */
export function withAllOfBothEnds(plan: RunPlan): RunPlan {
  const stages = plan.stages.map((stage) => {
    const standing = new Map<string, number>();
    const add = (id: string, count: number) => standing.set(id, (standing.get(id) ?? 0) + count);
    for (const { source, target, found, atTarget } of stage.moves) {
      add(source, found);
      add(target, atTarget);
    }
    const all = (id: string) => standing.get(id) ?? 0;
    const moves = stage.moves.map((one) => ({ ...one, found: all(one.source), atTarget: all(one.target) }));
    return { ...stage, moves };
  });
  return { ...plan, stages };
}

function standIns(moves: readonly Move[]) {
  const word = `stand-in-${digest(JSON.stringify(moves)).slice(0, 8)}-`;
  const names: string[] = [];
  const expression = new RegExp(`${word}(\\d+)`, 'g');
  // Names of indexes hold an id in their own spelling.
  const plain = new RegExp(`${plainName(word)}(\\d+)`, 'g');
  const revealText = (text: string) =>
    text
      .replace(expression, (_, index) => names[Number(index)] ?? '')
      .replace(plain, (_, index) => plainName(names[Number(index)] ?? ''));
  const reveal = (value: unknown): unknown => {
    if (typeof value === 'string') return revealText(value);
    if (Array.isArray(value)) return value.map(reveal);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, reveal(member)]));
  };
  return {
    of: (id: string) => `${word}${names.push(id) - 1}`,
    reveal: <T>(value: T) => reveal(value) as T,
  };
}

/** Why the waves cannot be made under the profile's templates: what one pass over the disguised list cannot see. */
export function waveProblems({ waves }: Waves, profile: Profile): readonly Problem[] {
  const templates = [...profile.keyTemplates, ...profile.configKeyTemplates].map(parseKeyTemplate);
  return waves.flat().flatMap((move): Problem[] => {
    const text = templateProblem(templates, move);
    if (text === undefined) return [];
    const fix = 'choose another target id or another --key-template';
    return [{ stage: 'redis', code: 'template', message: `${moveText(move)}: ${text}`, fix }];
  });
}

/** A temporary id must be nobody's: what stands there an earlier attempt at this list has left, or it is a tenant's. */
export function takenTemporaries({ temporary }: Waves, plan: RunPlan): readonly Problem[] {
  return temporary.flatMap((id): Problem[] => {
    const held = plan.stages.filter(({ moves }) => moves.some((one) => one.target === id && one.atTarget > 0));
    if (held.length === 0) return [];
    const where = held.map(({ stage }) => stage).join(', ');
    return [
      {
        stage: 'run',
        code: 'temporary-taken',
        message: `${id}, through which one tenant must go, has data in ${where}`,
        fix: 'if it was left by an earlier attempt at this list, resume or roll that back (tenant-migrate runs); else move that tenant away first',
      },
    ];
  });
}

/** The list's own moves and waves in place of the disguised ones. */
export function revealedReport(
  report: RunReport,
  moves: readonly Move[],
  { reveal }: Disguise,
  waves: Waves,
): RunReport {
  const tenants = reveal(report.tenants ?? [])
    .slice(0, moves.length)
    .map((row, index) => ({ ...row, ...moves[index], ...placeOf(row.source, waves) }));
  return { ...reveal(report), moves, tenants };
}

/** The wave in which a tenant arrives, and the temporary id that it goes through. */
export function placeOf(
  source: string,
  { waves, temporary }: Waves,
): { readonly wave: number; readonly through?: string } {
  const index = waves.findIndex((wave) => wave.some((move) => move.source === source));
  const first = waves[index]?.find((move) => move.source === source);
  if (first === undefined || !temporary.includes(first.target)) return { wave: index + 1 };
  const last = waves.findIndex((wave) => wave.some((move) => move.source === first.target));
  return { wave: last + 1, through: first.target };
}
