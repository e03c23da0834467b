import { type Move, moveText } from '../../model/move.ts';
import type { Finding, Problem } from '../stage.ts';
import type { SecretCheck } from './config-secrets.ts';

/** Given values that do not fit the tenant's config. */
export function secretProblems(tenant: string, check: SecretCheck): Problem[] {
  const problems: Problem[] = [];
  if (check.mismatched.length > 0) {
    problems.push({
      stage: 'config',
      code: 'secret-mismatch',
      message: `the value given for ${check.mismatched.join(', ')} is not the one that ${tenant} uses`,
      fix: 'correct the file given with --config-secrets, or leave the config out with --skip-config',
    });
  }
  if (check.unknown.length > 0) {
    problems.push({
      stage: 'config',
      code: 'unknown-secret',
      message: `--config-secrets names ${check.unknown.join(', ')}, but the config of ${tenant} has no secret there`,
      fix: 'correct or remove it in the file given with --config-secrets',
    });
  }
  return problems;
}

export function maskedProblem(move: Move, fields: readonly string[]): Problem {
  return {
    stage: 'config',
    code: 'masked-secrets',
    message: `the config API masks ${fields.join(', ')} of ${move.source}: copied so, ${move.target} would get the mask`,
    fix: 'give the real values with --config-secrets <file>, or leave the config out with --skip-config',
  };
}

export function restoreProblems({ source }: Move, fields: readonly string[]): Problem[] {
  if (fields.length === 0) return [];
  return [
    {
      stage: 'config',
      code: 'not-restorable',
      message: `a deleted config of ${source} could not be restored: ${fields.join(', ')} would be unknown`,
      fix: 'give the real values with --config-secrets <file>, or leave out --delete-source-config',
    },
  ];
}

export function overwriteProblem({ target }: Move, fields: readonly string[]): Problem {
  return {
    stage: 'config',
    code: 'not-restorable',
    message: `an overwritten config of ${target} could not be restored: ${fields.join(', ')} would be unknown`,
    fix: `give its real values under "${target}" in --config-secrets <file>, or leave the config out with --skip-config`,
  };
}

export function conflictProblem(move: Move, names: readonly string[]): Problem {
  return {
    stage: 'config',
    code: 'conflict',
    message: `${move.target} has a config of its own that differs from ${move.source}'s in ${names.join(', ')}`,
    fix: 'keep it with --on-conflict skip or --skip-config, or replace it with --on-conflict overwrite',
  };
}

export function secretConflictProblem({ source, target }: Move, fields: readonly string[]): Problem {
  return {
    stage: 'config',
    code: 'conflict',
    message: `${target} has the same config as ${source}, but other values of ${fields.join(', ')} behind the same masks`,
    fix: `look which are right; with --on-conflict overwrite ${source}'s are written, and no rollback brings the others back`,
  };
}

export function conflictNotice(move: Move, names: readonly string[]): Finding {
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

export function overwriteNotice(move: Move, names: readonly string[], needsSecrets: boolean): Finding {
  const again = needsSecrets ? '; without ENCRYPTION_KEY a rollback needs the same --config-secrets again' : '';
  return {
    stage: 'config',
    kind: 'overwrites',
    severity: 'notice',
    message: `the config of ${move.target} is replaced by ${move.source}'s in ${names.join(', ')}${again}`,
    where: moveText(move),
    count: 1,
    samples: names,
  };
}

export function unprovenNotice(move: Move, fields: readonly string[]): Finding {
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

export function emptyNotice(move: Move): Finding {
  return {
    stage: 'config',
    kind: 'empty-config',
    severity: 'notice',
    message: `the config of ${move.source} holds no section, so there is nothing to write for ${move.target}`,
    where: moveText(move),
  };
}
