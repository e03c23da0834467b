import { digest } from '../../model/fingerprint.ts';
import { canonicalJson } from '../../model/json.ts';
import type { Move } from '../../model/move.ts';
import { fieldName, type Sections, secretFields } from '../../model/secret-mask.ts';
import type { Finding, Problem, StageOptions, StagePlan } from '../stage.ts';
import {
  conflictNotice,
  conflictProblem,
  emptyNotice,
  maskedProblem,
  overwriteNotice,
  overwriteProblem,
  restoreProblems,
  secretConflictProblem,
  secretProblems,
  unprovenNotice,
} from './config-problems.ts';
import { checkSecrets, type GivenFields, type MoveSecrets, realFields } from './config-secrets.ts';
import { keptBytes, unrestorable } from './kept-sections.ts';
import { provenDifferent, provenEqual } from './recorded-secrets.ts';

/** What is to be done with each move's config. Holds names and digests, never a config's content. */
export interface ConfigPlan extends StagePlan {
  readonly stage: 'config';
  /** One entry for each move, in the run's order. */
  readonly configs: readonly PlannedConfig[];
}

export interface PlannedConfig {
  readonly source: string;
  readonly target: string;
  /**
   * `none`: the source has no config · `create` · `leave`: the target is equal as far as the API shows ·
   * `re-put`: equal, and the given real values are written once more · `overwrite`: different, and replaced ·
   * `conflict`: different, and left.
   */
  readonly action: 'none' | 'create' | 'leave' | 're-put' | 'overwrite' | 'conflict';
  /** The source's sections. */
  readonly sections: readonly PlannedSection[];
  /** With `overwrite`: the target's sections, as they are to be replaced. */
  readonly replaced?: readonly PlannedSection[];
}

export interface PlannedSection {
  readonly name: string;
  /** Of the section as the API returns it, masks included. */
  readonly digest: string;
  /** Its masked fields, such as `llm_config.api_key`. */
  readonly masked: readonly string[];
}

export interface ConfigPair {
  readonly move: Move;
  /** As the API returns them; undefined where the tenant has no config. */
  readonly source: Sections | undefined;
  readonly target: Sections | undefined;
}

interface Decided {
  readonly planned: PlannedConfig;
  readonly problems: readonly Problem[];
  readonly notices: readonly Finding[];
  /** At most so many bytes of undo log. */
  readonly undoBytes: number;
}

interface DecideOptions {
  readonly secrets: MoveSecrets;
  readonly maskedMembers: readonly string[];
  readonly options: StageOptions;
}

/** Names, digests and the kind of an entry, beside the ids and the sections. */
const ENTRY_BYTES = 1_000;

/** Decides about one move from what both ends hold. */
export function planConfig(pair: ConfigPair, how: DecideOptions): Decided {
  const { source, target, move } = pair;
  const nothing = { problems: [], notices: [], undoBytes: 0 };
  if (source === undefined || Object.keys(source).length === 0) {
    const planned: PlannedConfig = { ...move, action: 'none', sections: [] };
    return { ...nothing, planned, notices: source === undefined ? [] : [emptyNotice(move)] };
  }
  const sections = describeSections(source, how.maskedMembers);
  const differing = target === undefined ? [] : differingSections(sections, target);
  const full = { ...pair, source, sections, differing };
  if (target === undefined || differing.length === 0) return planEqual(full, how);
  if (how.options.onConflict === 'overwrite') return planOverwrite({ ...full, target }, how);
  const skip = how.options.onConflict === 'skip';
  const problems = sourceProblems(full, how);
  return {
    ...nothing,
    planned: { ...move, action: 'conflict', sections },
    problems: skip ? problems : [...problems, conflictProblem(move, differing)],
    notices: skip ? [conflictNotice(move, differing)] : [],
  };
}

interface FullPair extends ConfigPair {
  readonly source: Sections;
  readonly sections: readonly PlannedSection[];
  readonly differing: readonly string[];
}

/** The target has no config, or one that is equal as far as the API shows. */
function planEqual(pair: FullPair, how: DecideOptions): Decided {
  const { move, target, sections } = pair;
  const real = realFields(how.secrets.source);
  const problems = [...sourceProblems(pair, how), ...deletionProblems(pair, how)];
  const missing = ungiven(sections, real);
  const deletion = deletionBytes(pair, how);
  if (target === undefined) {
    if (missing.length > 0) problems.push(maskedProblem(move, missing));
    const undoBytes = deletion + ENTRY_BYTES;
    return { planned: { ...move, action: 'create', sections }, problems, notices: [], undoBytes };
  }
  const proven = provenEqual(real, how.secrets.target.recorded);
  const other = provenDifferent(real, how.secrets.target.recorded);
  if (other.length > 0 && how.options.onConflict !== 'overwrite') problems.push(secretConflictProblem(move, other));
  const again = toRePut(sections, how.secrets).length > 0;
  const unproven = ungiven(sections, forAnEqualTarget(how.secrets)).filter((name) => !proven.has(name));
  return {
    planned: { ...move, action: again ? 're-put' : 'leave', sections },
    problems,
    notices: unproven.length > 0 ? [unprovenNotice(move, unproven)] : [],
    undoBytes: deletion + (again ? ENTRY_BYTES : 0),
  };
}

/** The target's sections that differ are replaced: only where they could be restored. */
function planOverwrite(pair: FullPair & { readonly target: Sections }, how: DecideOptions): Decided {
  const { move, target, sections, differing } = pair;
  const { maskedMembers, secrets } = how;
  const lost = Object.fromEntries(Object.entries(target).filter(([name]) => differing.includes(name)));
  const isReplaced = ({ name }: PlannedSection) => differing.includes(name);
  const real = realFields(secrets.source);
  const missing = ungiven(sections.filter(isReplaced), real);
  const unproven = ungiven(
    sections.filter((section) => !isReplaced(section)),
    real,
  );
  const unknown = unrestorable(lost, maskedMembers, secrets.target);
  const problems = [
    ...sourceProblems(pair, how),
    ...secretProblems(move.target, checkSecrets(target, maskedMembers, secrets.target.given)),
    ...deletionProblems(pair, how),
  ];
  if (missing.length > 0) problems.push(maskedProblem(move, missing));
  if (unknown.length > 0) problems.push(overwriteProblem(move, unknown));
  return {
    planned: { ...move, action: 'overwrite', sections, replaced: describeSections(target, maskedMembers) },
    problems,
    notices: [
      overwriteNotice(
        move,
        differing,
        secretFields(lost, maskedMembers).length > 0 && secrets.target.key === undefined,
      ),
      ...(unproven.length > 0 ? [unprovenNotice(move, unproven)] : []),
    ],
    undoBytes: keptBytes(lost, maskedMembers, secrets.target) + 2 * ENTRY_BYTES + deletionBytes(pair, how),
  };
}

function sourceProblems({ move, source }: FullPair, { maskedMembers, secrets }: DecideOptions): Problem[] {
  const { given, recorded } = secrets.source;
  const check = checkSecrets(source, maskedMembers, given);
  // A value that has the right mask, and is not the one that the application has.
  const mismatched = [...new Set([...check.mismatched, ...provenDifferent(given, recorded)])];
  return secretProblems(move.source, { ...check, mismatched });
}

function deletionProblems({ move, source }: FullPair, { maskedMembers, secrets, options }: DecideOptions): Problem[] {
  if (!deletesSource(move, options)) return [];
  return restoreProblems(move, unrestorable(source, maskedMembers, secrets.source));
}

function deletionBytes({ move, source }: FullPair, { maskedMembers, secrets, options }: DecideOptions): number {
  return deletesSource(move, options) ? keptBytes(source, maskedMembers, secrets.source) + ENTRY_BYTES : 0;
}

/** Whether the source's config goes at the end. */
export function deletesSource({ source }: Pick<Move, 'source'>, options: StageOptions): boolean {
  return options.deleteSourceConfig || (options.leaving?.includes(source) ?? false);
}

function ungiven(sections: readonly PlannedSection[], given: GivenFields): readonly string[] {
  return sections.flatMap(({ masked }) => masked).filter((name) => !given.has(name));
}

/** Names, digests and masked fields of a config's sections. */
export function describeSections(sections: Sections, maskedMembers: readonly string[]): readonly PlannedSection[] {
  const masked = secretFields(sections, maskedMembers).filter((field) => field.masked);
  return Object.entries(sections).map(([name, section]) => ({
    name,
    digest: digest(canonicalJson(section)),
    masked: masked.filter((field) => field.path[0] === name).map((field) => fieldName(field.path)),
  }));
}

/** Names of the sections in which a config is not as planned; all of them where there is no config. */
export function differingSections(planned: readonly PlannedSection[], found: Sections | undefined): readonly string[] {
  const digests = new Map(Object.entries(found ?? {}).map(([name, section]) => [name, digest(canonicalJson(section))]));
  const names = new Set([...planned.map((section) => section.name), ...digests.keys()]);
  const wanted = new Map(planned.map((section) => [section.name, section.digest]));
  return [...names].filter((name) => wanted.get(name) !== digests.get(name));
}

/** Whether a tenant's config is what the plan says about the source's, as far as the API shows it. */
export function isAsPlanned(planned: PlannedConfig, found: Sections | undefined): boolean {
  return differingSections(planned.sections, found).length === 0;
}

/** The sections of an equal target that are written once more: every secret is known, and not proven to be there. */
export function toRePut(planned: readonly PlannedSection[], { source, target }: MoveSecrets): readonly string[] {
  const proven = provenEqual(realFields(source), target.recorded);
  const names = new Set(provable(planned, forAnEqualTarget({ source, target })));
  return planned.flatMap(({ name, masked }) =>
    names.has(name) && !masked.every((field) => proven.has(field)) ? [name] : [],
  );
}

/**
 * The values with which an equal target is written once more. The source's record counts only where the target has one,
 * too: an application that keeps none there may keep a stale one here.
 */
function forAnEqualTarget({ source, target }: MoveSecrets): GivenFields {
  return target.kept ? realFields(source) : source.given;
}

/** The sections that can be written with every secret real, though the API shows them masked. */
export function provable(planned: readonly PlannedSection[], given: GivenFields): readonly string[] {
  return planned
    .filter((section) => section.masked.length > 0 && section.masked.every((field) => given.has(field)))
    .map((section) => section.name);
}
