import { amount } from '../../model/amount.ts';
import { uuidOf } from '../../model/uuid-of.ts';
import type { Problem } from '../stage.ts';
import type { CollectionEnds } from './inspect.ts';

/** Points that an index gives for an id although they hold it in another spelling. */
export interface OtherSpellings {
  readonly count: number;
  /** One of them. */
  readonly example: string | undefined;
}

/** Two ids that a uuid index takes for one: it compares values, whatever their case and hyphens. */
export function sameForIndex({ facts, move }: CollectionEnds, field: string): readonly Problem[] {
  const { source, target } = move;
  const isSame = uuidOf(source) !== undefined && uuidOf(source) === uuidOf(target);
  if (facts.indexes.get(field)?.type !== 'uuid' || !isSame) return [];
  const message = `the uuid index on ${field} cannot tell "${source}" from "${target}": to it they are one id`;
  return [problem(facts.name, message, byKeyword(field))];
}

/** Points that would be moved with the id, and that an undo would give back in the wrong spelling. */
export function spelledOtherwise(
  { facts, move }: CollectionEnds,
  { count, example }: OtherSpellings,
  field: string,
): readonly Problem[] {
  if (count === 0) return [];
  const message = `the uuid index on ${field} finds ${amount(count, 'points')} of another spelling for "${move.source}" ("${example}"): an undo could not give it back`;
  return [problem(facts.name, message, byKeyword(field))];
}

function byKeyword(field: string): string {
  return `make the index on ${field} one of type keyword, or leave this store out with --skip-qdrant`;
}

function problem(name: string, message: string, fix: string): Problem {
  return { stage: 'qdrant', code: 'index-equality', message: `${name}: ${message}`, fix };
}
