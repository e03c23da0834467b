import { digest } from '../../model/fingerprint.ts';
import { canonicalJson } from '../../model/json.ts';
import { type Move, moveText } from '../../model/move.ts';
import { fieldName, type Sections, secretFields } from '../../model/secret-mask.ts';
import type { Finding, Problem, StageOptions, StagePlan } from '../stage.ts';
import { checkSecrets, type GivenFields } from './config-secrets.ts';

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
   * `re-put`: equal, and the given real values are written once more · `conflict`: different, and left.
   */
  readonly action: 'none' | 'create' | 'leave' | 're-put' | 'conflict';
  /** The source's sections. */
  readonly sections: readonly PlannedSection[];
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
}

interface DecideOptions {
  readonly given: GivenFields;
  readonly maskedMembers: readonly string[];
  readonly options: StageOptions;
}

/** Decides about one move from what both ends hold. */
export function planConfig(pair: ConfigPair, { given, maskedMembers, options }: DecideOptions): Decided {
  const { move, source, target } = pair;
  if (source === undefined || Object.keys(source).length === 0) {
    const notices = source === undefined ? [] : [emptyNotice(move)];
    return { planned: { ...move, action: 'none', sections: [] }, problems: [], notices };
  }
  const sections = describeSections(source, maskedMembers);
  const differing = target === undefined ? [] : differingSections(sections, target);
  const check = checkSecrets(source, maskedMembers, given);
  const problems = secretProblems(move, check);
  if (differing.length > 0) {
    const skip = options.onConflict === 'skip';
    return {
      planned: { ...move, action: 'conflict', sections },
      problems: skip ? problems : [...problems, conflictProblem(move, differing)],
      notices: skip ? [conflictNotice(move, differing)] : [],
    };
  }
  if (options.deleteSourceConfig) problems.push(...restoreProblems(pair, unrestorable(source, maskedMembers, given)));
  if (target === undefined) {
    if (check.missing.length > 0) problems.push(maskedProblem(move, check.missing));
    return { planned: { ...move, action: 'create', sections }, problems, notices: [] };
  }
  return {
    planned: { ...move, action: provable(sections, given).length > 0 ? 're-put' : 'leave', sections },
    problems,
    notices: check.missing.length > 0 ? [unprovenNotice(move, check.missing)] : [],
  };
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

/** The sections that can be written with every secret real, though the API shows them masked. */
export function provable(planned: readonly PlannedSection[], given: GivenFields): readonly string[] {
  return planned
    .filter((section) => section.masked.length > 0 && section.masked.every((field) => given.has(field)))
    .map((section) => section.name);
}

/** Secrets that could not be put back after a deletion: the undo log holds none, so each must be given. */
export function unrestorable(
  source: Sections,
  maskedMembers: readonly string[],
  given: GivenFields,
): readonly string[] {
  return secretFields(source, maskedMembers)
    .map((field) => fieldName(field.path))
    .filter((name) => !given.has(name));
}

function secretProblems(move: Move, check: ReturnType<typeof checkSecrets>): Problem[] {
  const problems: Problem[] = [];
  if (check.mismatched.length > 0) {
    problems.push({
      stage: 'config',
      code: 'secret-mismatch',
      message: `the value given for ${check.mismatched.join(', ')} is not the one that ${move.source} uses`,
      fix: 'correct the file given with --config-secrets, or leave the config out with --skip-config',
    });
  }
  if (check.unknown.length > 0) {
    problems.push({
      stage: 'config',
      code: 'unknown-secret',
      message: `--config-secrets names ${check.unknown.join(', ')}, but the config of ${move.source} has no secret there`,
      fix: 'correct or remove it in the file given with --config-secrets',
    });
  }
  return problems;
}

function maskedProblem(move: Move, fields: readonly string[]): Problem {
  return {
    stage: 'config',
    code: 'masked-secrets',
    message: `the config API masks ${fields.join(', ')} of ${move.source}: copied so, ${move.target} would get the mask`,
    fix: 'give the real values with --config-secrets <file>, or leave the config out with --skip-config',
  };
}

function restoreProblems(pair: ConfigPair, fields: readonly string[]): readonly Problem[] {
  if (fields.length === 0) return [];
  const { source } = pair.move;
  return [
    {
      stage: 'config',
      code: 'not-restorable',
      message: `a deleted config of ${source} could not be restored: ${fields.join(', ')} would be unknown`,
      fix: 'give the real values with --config-secrets <file>, or leave out --delete-source-config',
    },
  ];
}

function conflictProblem(move: Move, names: readonly string[]): Problem {
  return {
    stage: 'config',
    code: 'conflict',
    message: `${move.target} has a config of its own that differs from ${move.source}'s in ${names.join(', ')}`,
    fix: 'keep it with --on-conflict skip or --skip-config, or remove it through the API',
  };
}

function conflictNotice(move: Move, names: readonly string[]): Finding {
  return {
    stage: 'config',
    kind: 'conflict',
    severity: 'notice',
    message: `${move.target} keeps its own config, which differs from ${move.source}'s in ${names.join(', ')}`,
    where: moveText(move),
    count: 1,
    samples: names,
  };
}

function unprovenNotice(move: Move, fields: readonly string[]): Finding {
  return {
    stage: 'config',
    kind: 'secret-unproven',
    severity: 'notice',
    message: `${move.target} has the same config, but equal masks do not prove that ${fields.join(', ')} is right there`,
    where: moveText(move),
    count: fields.length,
    samples: fields,
    fix: 'give the real values with --config-secrets <file> to write them once more',
  };
}

function emptyNotice(move: Move): Finding {
  return {
    stage: 'config',
    kind: 'empty-config',
    severity: 'notice',
    message: `the config of ${move.source} holds no section, so there is nothing to write for ${move.target}`,
    where: moveText(move),
  };
}
